"""`pushmill simulate`: fake providers for trying the gateway out, on this machine alone."""

import hashlib
from pathlib import Path
from typing import Annotated

import typer

from bench.cli.simulator_facts import describe_all, describe_apns, describe_fcm, describe_webpush
from bench.cli.simulator_process import read_scenario, serve, telling_faults
from gateway.cli.extra import BenchCommand

simulate = typer.Typer(
    help=(
        "Run fake providers to try the gateway against: real TLS and HTTP/2, strict rules, scripted faults.\n\n"
        "Each prints one line of JSON once it listens, with everything that a gateway's configuration needs, and "
        "serves until Ctrl-C. `all` runs the three in one process. docs/simulators.md lists their rules and scenarios."
    ),
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",  # plain markup would swallow the brackets of a scenario in the help
)

Port = Annotated[int, typer.Option(help="TCP port; 0 lets the system choose one.", min=0, max=65_535)]
Host = Annotated[str, typer.Option(help="Address to listen on.")]
ScenarioFile = Annotated[
    Path | None, typer.Option("--scenario", help="TOML file that says how to misbehave; without it all is healthy.")
]
LedgerFile = Annotated[
    Path | None, typer.Option("--ledger", help="NDJSON file: one line for each request that was received.")
]
SubscriptionCount = Annotated[
    int, typer.Option(help="Browser subscriptions to make and write to a file.", min=0, max=1_000_000)
]
Seed = Annotated[
    str | None,
    typer.Option(
        help="Any text: the same one brings the same VAPID keys and subscriptions back. Otherwise all is new."
    ),
]

_LOCALHOST = "127.0.0.1"
_WEBPUSH_ORIGINS = ("mozilla", "fcm", "apple", "wns", "http1")
_ALL_ORIGINS = ("apns", "fcm", *(f"webpush {name}" for name in _WEBPUSH_ORIGINS))


@simulate.command(cls=BenchCommand)
def apns(
    port: Port = 0,
    host: Host = _LOCALHOST,
    directory: Annotated[
        Path, typer.Option(help="Where ca.pem, AuthKey_KEYID.p8 and a client certificate are written.")
    ] = Path("apns-simulator"),
    scenario: ScenarioFile = None,
    ledger: LedgerFile = None,
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
    with telling_faults("apns"):
        from bench.simulators.apns import ApnsScenario, ApnsSimulatorOptions, ProviderKeyOptions, open_apns_simulator

        topics = tuple(topic) if topic else ("com.example.shop",)
        options = ApnsSimulatorOptions(
            host=host,
            port=port,
            directory=directory,
            environment="sandbox" if sandbox else "production",
            keys=(ProviderKeyOptions(team_id=team_id, key_id=key_id),),
            topics=topics,
            client_certificate_topics=topics[:1] if client_certificate else (),
            scenario=read_scenario(scenario, ApnsScenario),
            ledger_file=ledger,
            remembers_requests=False,
        )
        serve(lambda: open_apns_simulator(options), describe_apns, lambda simulator: {"": simulator})


@simulate.command(cls=BenchCommand)
def fcm(
    port: Port = 0,
    host: Host = _LOCALHOST,
    directory: Annotated[Path, typer.Option(help="Where ca.pem and service-account.json are written.")] = Path(
        "fcm-simulator"
    ),
    scenario: ScenarioFile = None,
    ledger: LedgerFile = None,
    project_id: Annotated[str, typer.Option(help="Project that messages are sent in.")] = "shop-1",
    messages_per_minute: Annotated[
        int | None, typer.Option(help="Quota of the project; Google's own is 600000. Without it there is none.", min=1)
    ] = None,
) -> None:
    """Run a strict FCM: the HTTP v1 endpoint and Google's token endpoint, on one port.

    Once it listens, one line of JSON on standard output tells where, and which service account may send. It then
    serves until Ctrl-C or SIGTERM, writes the rest of the ledger and sums up on standard error.

    A scenario file makes it misbehave, repeatably. This one calls 1 % of all tokens unregistered, is unavailable for
    every thousandth message, and fails the first exchange of an assertion for an access token:

    ```
    [[events]]
    destination_share = 0.01
    do = "answer"
    reason = "UNREGISTERED"
    [[events]]
    every = 1000
    do = "answer"
    reason = "UNAVAILABLE"
    retry_after = "10"
    [[exchanges]]
    at_exchange = 1
    status = 503
    ```

    docs/simulators.md lists everything that a scenario can say.
    """
    with telling_faults("fcm"):
        from bench.simulators.fcm import FcmScenario, FcmSimulatorOptions, open_fcm_simulator

        options = FcmSimulatorOptions(
            host=host,
            port=port,
            directory=directory,
            project_id=project_id,
            messages_per_minute=messages_per_minute,
            scenario=read_scenario(scenario, FcmScenario),
            ledger_file=ledger,
            remembers_requests=False,
        )
        serve(lambda: open_fcm_simulator(options), describe_fcm, lambda simulator: {"": simulator})


@simulate.command(cls=BenchCommand)
def webpush(
    port: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SERVICE=PORT",
            help=f"Port of {', '.join(_WEBPUSH_ORIGINS)}; may be repeated. The system chooses the others.",
        ),
    ] = None,
    host: Host = _LOCALHOST,
    directory: Annotated[
        Path, typer.Option(help="Where ca.pem, the VAPID keys and subscriptions.ndjson are written.")
    ] = Path("webpush-simulator"),
    scenario: ScenarioFile = None,
    ledger: LedgerFile = None,
    subscriptions: SubscriptionCount = 1000,
    vapid_key: Annotated[
        list[str] | None,
        typer.Option(help="Id of an application server key to make; may be repeated. [first, second]"),
    ] = None,
    seed: Seed = None,
) -> None:
    """Run the push services of browsers, and the browsers behind them.

    Four services, each with its own port and manners (mozilla, fcm, apple, wns), and one that speaks HTTP/1.1 alone
    (http1). Every body is decrypted with the keys of its subscription; the ledger has the plaintext's hash.

    Once all listen, one line of JSON on standard output tells where, and which VAPID keys the subscriptions were made
    with. It then serves until Ctrl-C or SIGTERM, writes the rest of the ledger and sums up on standard error.

    A scenario file makes them misbehave, repeatably. This one has 1 % of all subscriptions gone, and lets Mozilla's
    service cut the connection at every thousandth request:

    ```
    [[events]]
    destination_share = 0.01
    do = "answer"
    status = 410
    [[events]]
    every = 1000
    origin = "mozilla"
    do = "cut"
    ```

    docs/simulators.md lists everything that a scenario can say.
    """
    ports = _parse_ports(port or [])
    with telling_faults("webpush"):
        from bench.simulators.webpush import WebPushScenario, WebPushSimulatorOptions, open_webpush_simulator

        read = read_scenario(scenario, WebPushScenario)
        try:
            options = WebPushSimulatorOptions(
                host=host,
                ports=ports,
                directory=directory,
                vapid_key_ids=tuple(vapid_key) if vapid_key else ("first", "second"),
                secret=_make_secret(seed),
                subscriptions=subscriptions,
                scenario=read,
                ledger_file=ledger,
                remembers_requests=False,
            )
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None
        serve(lambda: open_webpush_simulator(options), describe_webpush, lambda simulator: {"": simulator})


@simulate.command(name="all", cls=BenchCommand)
def all_providers(
    host: Host = _LOCALHOST,
    directory: Annotated[
        Path, typer.Option(help="Gets the folders apns, fcm and webpush with everything that is made.")
    ] = Path("simulators"),
    scenario: ScenarioFile = None,
    ledger: Annotated[
        Path | None, typer.Option(help="Folder that gets apns.ndjson, fcm.ndjson and webpush.ndjson.")
    ] = None,
    subscriptions: SubscriptionCount = 1000,
    port: Annotated[
        int,
        typer.Option(
            help=f"First of {len(_ALL_ORIGINS)} ports in a row: {', '.join(_ALL_ORIGINS)}. 0 lets the system choose.",
            min=0,
            max=65_536 - len(_ALL_ORIGINS),
        ),
    ] = 0,
    seed: Seed = None,
    write_config: Annotated[
        Path | None,
        typer.Option(
            help="Write the settings of a gateway that sends to all three, and notifications.ndjson to try it with.",
            metavar="FILE",
        ),
    ] = None,
) -> None:
    """Run all three in one process, each as its own command would.

    One line of JSON tells about all of them once the last one listens: `{"apns": …, "fcm": …, "webpush": …}`. With
    `--write-config gateway.toml` three terminals are enough for a first send:

        pushmill simulate all --port 4700 --write-config gateway.toml

        pushmill serve --config gateway.toml

        pushmill send --app shop --address unix:$PWD/simulators/gateway.sock --file simulators/notifications.ndjson

    A scenario file has a section for each, with everything that its own scenario could say:

    ```
    [apns.latency]
    distribution = "exponential"
    seconds = 0.02
    [[fcm.events]]
    every = 1000
    do = "answer"
    reason = "UNAVAILABLE"
    [[webpush.events]]
    at_request = 500
    do = "goaway"
    ```
    """
    with telling_faults("all"):
        from bench.simulators.apns import ApnsSimulatorOptions
        from bench.simulators.fcm import FcmSimulatorOptions
        from bench.simulators.together import AllOptions, AllScenarios, open_all_simulators
        from bench.simulators.webpush import WebPushSimulatorOptions

        scenarios = read_scenario(scenario, AllScenarios)
        ports = {name: port + number if port else 0 for number, name in enumerate(_ALL_ORIGINS)}
        options = AllOptions(
            apns=ApnsSimulatorOptions(
                host=host,
                port=ports["apns"],
                directory=directory / "apns",
                scenario=scenarios.apns,
                ledger_file=_ledger_file(ledger, "apns"),
                remembers_requests=False,
            ),
            fcm=FcmSimulatorOptions(
                host=host,
                port=ports["fcm"],
                directory=directory / "fcm",
                scenario=scenarios.fcm,
                ledger_file=_ledger_file(ledger, "fcm"),
                remembers_requests=False,
            ),
            webpush=WebPushSimulatorOptions(
                host=host,
                ports={name: ports[f"webpush {name}"] for name in _WEBPUSH_ORIGINS},
                secret=_make_secret(seed),
                directory=directory / "webpush",
                scenario=scenarios.webpush,
                ledger_file=_ledger_file(ledger, "webpush"),
                remembers_requests=False,
                subscriptions=subscriptions,
            ),
            config_file=write_config,
            directory=directory,
        )
        serve(
            lambda: open_all_simulators(options),
            describe_all,
            lambda running: {"apns": running.apns, "fcm": running.fcm, "webpush": running.webpush},
        )


def _make_secret(seed: str | None) -> bytes | None:
    return hashlib.sha256(seed.encode()).digest() if seed is not None else None


def _ledger_file(directory: Path | None, provider: str) -> Path | None:
    if directory is None:
        return None
    directory.mkdir(parents=True, exist_ok=True)
    return directory / f"{provider}.ndjson"


def _parse_ports(assignments: list[str]) -> dict[str, int]:
    """Read ``mozilla=4711``."""
    ports = {}
    for assignment in assignments:
        name, _, number = assignment.partition("=")
        if name not in _WEBPUSH_ORIGINS or not number.isdecimal() or int(number) > 65_535:
            raise typer.BadParameter(
                f"got {assignment!r}; write SERVICE=PORT with one of {', '.join(_WEBPUSH_ORIGINS)}", param_hint="--port"
            )
        ports[name] = int(number)
    return ports
