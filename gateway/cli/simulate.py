"""`pushmill simulate`: fake providers for trying the gateway out, on this machine alone."""

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from bench.simulators.apns import ApnsSimulator, ApnsSimulatorOptions

simulate = typer.Typer(
    help="Run a fake provider to try the gateway against: real TLS and HTTP/2, strict rules, scripted faults.",
    no_args_is_help=True,
    rich_markup_mode="markdown",  # plain markup would swallow the brackets of the scenario in the help
)


@simulate.callback()
def _simulate() -> None:
    """Keep `apns` a command of its own while it is the only one."""


@simulate.command()
def apns(
    port: Annotated[int, typer.Option(help="TCP port; 0 lets the system choose one.", min=0, max=65_535)] = 0,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    directory: Annotated[
        Path, typer.Option(help="Where ca.pem, AuthKey_KEYID.p8 and a client certificate are written.")
    ] = Path("apns-simulator"),
    scenario: Annotated[
        Path | None, typer.Option(help="TOML file that says how to misbehave; without it the server is healthy.")
    ] = None,
    ledger: Annotated[
        Path | None, typer.Option(help="NDJSON file: one line for each request that was received.")
    ] = None,
    team_id: Annotated[str, typer.Option(help="Team that provider tokens must name.")] = "DEF123GHIJ",
    key_id: Annotated[str, typer.Option(help="Id of the signing key that is made.")] = "ABC123DEFG",
    topic: Annotated[
        list[str] | None, typer.Option(help="Bundle id that may be pushed to; may be repeated. [com.example.shop]")
    ] = None,
    sandbox: Annotated[bool, typer.Option("--sandbox", help="Be the sandbox: answers carry apns-unique-id.")] = False,
    client_certificate: Annotated[
        bool, typer.Option("--client-certificate", help="Also make a client certificate for the first topic.")
    ] = False,
) -> None:
    """Run a strict APNs.

    Once it listens, one line of JSON on standard output tells where, and which files a gateway needs. It then
    serves until Ctrl-C or SIGTERM, writes the rest of the ledger and sums up on standard error.

    A scenario file makes it misbehave, repeatably. This one answers 1 % of all destinations with 410, sends GOAWAY
    at the 5,000th request and lets answers take 20 ms on average:

    ```
    seed = 1
    [latency]
    distribution = "exponential"
    seconds = 0.02
    [[events]]
    destination_share = 0.01
    do = "answer"
    status = 410
    reason = "Unregistered"
    dead_for_seconds = 86400
    [[events]]
    at_request = 5000
    do = "goaway"
    ```

    docs/simulators.md lists everything that a scenario can say.
    """
    import trio

    from bench.simulators.apns import ApnsScenario, ApnsSimulatorOptions, ProviderKeyOptions
    from bench.simulators.server import ScenarioError, load_scenario

    topics = tuple(topic) if topic else ("com.example.shop",)
    try:
        options = ApnsSimulatorOptions(
            host=host,
            port=port,
            directory=directory,
            environment="sandbox" if sandbox else "production",
            keys=(ProviderKeyOptions(team_id=team_id, key_id=key_id),),
            topics=topics,
            client_certificate_topics=topics[:1] if client_certificate else (),
            scenario=load_scenario(scenario, ApnsScenario) if scenario is not None else ApnsScenario(),
            ledger_file=ledger,
            remembers_requests=False,
        )
        trio.run(_serve_apns, options)
    except ScenarioError as error:
        typer.echo(f"pushmill simulate apns: {error}", err=True)
        raise typer.Exit(2) from None
    except OSError as error:
        place = error.filename or f"{host}:{port}"
        typer.echo(f"pushmill simulate apns: {place}: {error.strerror}", err=True)
        raise typer.Exit(2) from None


async def _serve_apns(options: "ApnsSimulatorOptions") -> None:
    """Serve until a signal asks to stop, then sum up."""
    import trio

    from bench.simulators.apns import open_apns_simulator

    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with open_apns_simulator(options) as simulator:
            _announce(simulator)
            async for _ in signals:
                break
    _sum_up(simulator)


def _announce(simulator: "ApnsSimulator") -> None:
    """Print where the simulator listens and what a gateway needs, as one line of JSON."""
    import orjson

    credentials, options = simulator.credentials, simulator.options
    facts = {
        "host": options.host,
        "port": simulator.port,
        "ca_file": str(simulator.ca_file),
        "key_file": str(credentials.key_file),
        "key_id": options.keys[0].key_id,
        "team_id": options.keys[0].team_id,
        "topic": options.topics[0],
        "environment": options.environment,
    }
    if credentials.client_certificate is not None:
        facts["certificate_file"] = str(credentials.client_certificate.certificate_file)
        facts["certificate_key_file"] = str(credentials.client_certificate.key_file)
    sys.stdout.buffer.write(orjson.dumps(facts, option=orjson.OPT_APPEND_NEWLINE))
    sys.stdout.buffer.flush()


def _sum_up(simulator: "ApnsSimulator") -> None:
    counts = simulator.statistics()
    answers = ", ".join(f"{number} x {status}" for status, number in sorted(counts.statuses.items())) or "no answers"
    reasons = "".join(f"\n  {number} x {reason}" for reason, number in sorted(counts.reasons.items()))
    typer.echo(
        f"{counts.requests} requests on {counts.connections} connections: {answers}; {counts.unprocessed} unprocessed, "
        f"{counts.goaways} GOAWAY, {counts.stream_limit_violations} stream limit violations, "
        f"{counts.protocol_errors} protocol errors, {counts.refused_handshakes} refused handshakes{reasons}",
        err=True,
    )
