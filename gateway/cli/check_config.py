"""`pushmill check-config`: read the settings and open what they name, without starting anything."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from gateway.cli.config_files import Identity
    from gateway.config import Config, Fault, Risk
    from gateway.live import ProbeAnswer

DEFAULT_CONFIG = Path("/etc/pushmill/gateway.toml")


def check_config(
    config: Annotated[
        Path, typer.Option("--config", "-c", help="The settings, a TOML file.", envvar="PUSHMILL_CONFIG")
    ] = DEFAULT_CONFIG,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")] = False,
    live: Annotated[bool, typer.Option("--live", help="Also try the credentials at the providers, see above.")] = False,
    app: Annotated[list[str] | None, typer.Option(help="With --live: an app to try; again for more. All.")] = None,
    provider: Annotated[
        list[str] | None, typer.Option(help="With --live: apns, fcm or webpush; again for more. All.")
    ] = None,
    service: Annotated[
        list[str] | None,
        typer.Option(
            help="With --live: a Web Push service to try: mozilla, fcm, apple, wns, or a host of "
            "webpush.allowed_hosts as it stands there; again for more. All."
        ),
    ] = None,
    timeout: Annotated[
        float, typer.Option(min=0.1, max=600, help="With --live: seconds for each try, connecting included.")
    ] = 30.0,
) -> None:
    """Check the settings and show what is in effect.

    Reads the file and the environment as `pushmill serve` would, opens every key and certificate they name, and lists
    all faults at once, each with its place. Without faults it prints every setting with its value: defaults, then the
    file, then variables such as PUSHMILL_LIMITS__CONNECTIONS=64. Files with secrets are shown by path only; of each app
    its FCM project and its public VAPID keys (applicationServerKey) are shown. Settings that make the gateway reach
    further than the known push services are pointed out as warnings, and so are a journal.most_bytes that its disk
    doesn't have, and notifications that are owed and can't be sent with these settings: the gateway keeps them until
    what they need is back, or they expire. The journal is only read, also beside a gateway at work.

    With --live it also sends, once the settings have no fault: to APNs a background push to the device token of zeros,
    to FCM a message to a made-up token that is to be validated only, and to each Web Push service a message for a
    made-up endpoint. No user gets anything. It says what was sent and to whom, what came back, what that proves of the
    credential, and what to do. A proxy of the settings is used as the gateway would. A gateway at work with the same
    keys isn't disturbed: APNs gets the very token that it uses.

    The exit code is 0 when the gateway could start with these settings and 1 when it could not. With --live it is 1 too
    when a credential is refused, and 3 when none is but something could not be told: a provider that was not
    reached or is in trouble, an answer that says nothing of the credential.
    """
    from gateway.cli.config_files import find_disk_risks, find_owed_risks, open_files
    from gateway.config import ConfigError, effective, find_risks, find_unused_proxy, read_config

    settings: dict[str, Any] = {}
    identities: dict[str, Identity] = {}
    risks: list[Risk] = []
    try:
        loaded, faults = read_config(config, os.environ)
    except ConfigError as error:
        faults = list(error.faults)
    else:
        settings = {} if faults else effective(loaded)
        risks = [*find_risks(loaded), *find_disk_risks(loaded)]
        risks += filter(None, [find_unused_proxy(loaded, os.environ)])
        file_faults, identities = open_files(loaded)
        faults = [*faults, *file_faults]
        if not faults:
            risks += find_owed_risks(loaded)
    answers: list[ProbeAnswer] | None = None
    if live and not faults:
        answers = _ask(loaded, app or (), provider or (), service or (), timeout)
    if as_json:
        _print_json(faults, risks, settings, identities, answers)
    else:
        _print_text(config, faults, risks, settings, identities)
        _print_answers(answers, is_asked=live)
    raise typer.Exit(1 if faults else _find_exit_code(answers or ()))


def _ask(
    config: "Config", apps: Sequence[str], providers: Sequence[str], services: Sequence[str], timeout_seconds: float
) -> "list[ProbeAnswer]":
    from gateway.cli.live_check import ask_providers
    from gateway.live import Choice

    return ask_providers(config, Choice(apps=apps, providers=providers, services=services), timeout_seconds)


def _find_exit_code(answers: "Sequence[ProbeAnswer]") -> int:
    if not answers:
        return 0
    from gateway.live import find_exit_code

    return find_exit_code(answers)


def _print_answers(answers: "Sequence[ProbeAnswer] | None", *, is_asked: bool) -> None:
    if answers is not None:
        from gateway.cli.live_check import print_answers

        print_answers(answers)
    elif is_asked:
        typer.echo("nothing was sent: mend the faults first", err=True)


def _print_json(
    faults: "list[Fault]",
    risks: "list[Risk]",
    settings: dict[str, Any],
    identities: "dict[str, Identity]",
    answers: "list[ProbeAnswer] | None",
) -> None:
    import msgspec
    import orjson

    report = {"ok": not faults, "faults": faults, "warnings": risks, "settings": settings, "apps": identities}
    if answers is not None:
        report["live"] = answers
    typer.echo(orjson.dumps(msgspec.to_builtins(report), option=orjson.OPT_INDENT_2).decode())


def _print_text(
    config: Path,
    faults: "list[Fault]",
    risks: "list[Risk]",
    settings: dict[str, Any],
    identities: "dict[str, Identity]",
) -> None:
    from rich.console import Console
    from rich.markup import escape

    # Long lines are the terminal's to fold, not ours to cut: a path must stay whole also in a pipe.
    out = Console(soft_wrap=True, highlight=False)
    err = Console(soft_wrap=True, highlight=False, stderr=True)
    for section, values in settings.items():
        for name, value in _flatten(values, section):
            out.print(f"{escape(name)} = {escape(_show(value))}")
    for line in ["", *_describe(identities)] if identities else ():
        out.print(escape(line))
    if settings:
        out.print()
    for risk in risks:
        err.print(f"[yellow]warning: {escape(risk.place)}[/yellow]: {escape(risk.detail)}")
    for fault in faults:
        err.print(f"[red]{escape(fault.place)}[/red]: {escape(fault.detail)}")
    if faults:
        err.print(f"[bold]{len(faults)} fault{'s' if len(faults) > 1 else ''} in {escape(str(config))}[/bold]")
    else:
        out.print(f"[green]{escape(str(config))} is good[/green]")


def _describe(identities: "dict[str, Identity]") -> list[str]:
    """Return a line for everything that the providers, or browsers, know an app by."""
    lines = []
    for app, identity in identities.items():
        if identity.fcm_project_id is not None:
            lines.append(f"{app} sends to the FCM project {identity.fcm_project_id}")
        for name, public_key in identity.vapid_public_keys.items():
            note = ", the default" if name == identity.default_vapid_key else ""
            lines.append(f"{app} has the VAPID key {name}{note}; applicationServerKey: {public_key}")
    return lines


def _flatten(value: object, name: str) -> list[tuple[str, object]]:
    """Return (dotted name, value) for every setting in nested tables."""
    if not isinstance(value, dict) or not value:
        return [(name, value)]
    return [row for key, inner in value.items() for row in _flatten(inner, f"{name}.{key}")]


def _show(value: object) -> str:
    """Return a value as TOML would have it; what isn't set as a dash."""
    import orjson

    return "-" if value is None else orjson.dumps(value).decode()
