"""`pushmill check-config`: read the settings and open what they name, without starting anything."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from gateway.config import Config, Fault

DEFAULT_CONFIG = Path("/etc/pushmill/gateway.toml")


def check_config(
    config: Annotated[
        Path, typer.Option("--config", "-c", help="The settings, a TOML file.", envvar="PUSHMILL_CONFIG")
    ] = DEFAULT_CONFIG,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")] = False,
) -> None:
    """Check the settings and show what is in effect.

    Reads the file and the environment as `pushmill serve` would, opens every key and certificate they name, and lists
    all faults at once, each with its place. Without faults it prints every setting with its value: defaults, then the
    file, then variables such as PUSHMILL_LIMITS__CONNECTIONS=64. Files with secrets are shown by path only.

    The exit code is 0 when the gateway could start with these settings and 1 when it could not.
    """
    from gateway.config import ConfigError, effective, load_config

    settings: dict[str, Any] = {}
    try:
        loaded = load_config(config, os.environ)
    except ConfigError as error:
        faults = list(error.faults)
    else:
        settings = effective(loaded)
        faults = _find_file_faults(loaded)
    if as_json:
        _print_json(faults, settings)
    else:
        _print_text(config, faults, settings)
    raise typer.Exit(1 if faults else 0)


def _find_file_faults(config: "Config") -> "list[Fault]":
    """Open everything the settings name; return what could not be used."""
    from gateway.clock import SystemClock
    from gateway.delivery.credentials import CredentialError, load_credentials

    faults = _find_tls_faults(config)
    try:
        load_credentials(config, SystemClock())
    except CredentialError as error:
        faults += error.faults
    return faults


def _find_tls_faults(config: "Config") -> "list[Fault]":
    import ssl

    from gateway.config import Fault

    faults = []
    listen = config.listen
    if listen.tls_certificate_file is not None:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(
                listen.tls_certificate_file, listen.tls_key_file, password=_refuse_passphrase
            )
        except (OSError, ValueError) as error:
            files = f"{listen.tls_certificate_file}, {listen.tls_key_file}"
            faults.append(Fault("listen.tls_certificate_file", f"{files}: {_describe(error)}"))
    if config.apns.ca_file is not None:
        try:
            ssl.create_default_context(cafile=config.apns.ca_file)
        except (OSError, ValueError) as error:
            faults.append(Fault("apns.ca_file", f"{config.apns.ca_file}: {_describe(error)}"))
    return faults


def _refuse_passphrase() -> str:
    # Without it OpenSSL would ask the terminal, and a gateway started by a supervisor would wait for ever.
    raise ValueError("the private key is encrypted; store it without a passphrase")


def _describe(error: OSError | ValueError) -> str:
    import ssl

    if isinstance(error, ssl.SSLError):
        return f"can't be used: {error.reason or 'not in PEM form'}"
    return getattr(error, "strerror", None) or str(error)


def _print_json(faults: "list[Fault]", settings: dict[str, Any]) -> None:
    import orjson

    told = [{"place": fault.place, "detail": fault.detail} for fault in faults]
    report = {"ok": not faults, "faults": told, "settings": settings}
    typer.echo(orjson.dumps(report, option=orjson.OPT_INDENT_2).decode())


def _print_text(config: Path, faults: "list[Fault]", settings: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.markup import escape

    # Long lines are the terminal's to fold, not ours to cut: a path must stay whole also in a pipe.
    out = Console(soft_wrap=True, highlight=False)
    for section, values in settings.items():
        for name, value in _flatten(values, section):
            out.print(f"{escape(name)} = {escape(_show(value))}")
    err = Console(soft_wrap=True, highlight=False, stderr=True)
    if settings:
        out.print()
    for fault in faults:
        err.print(f"[red]{escape(fault.place)}[/red]: {escape(fault.detail)}")
    if faults:
        err.print(f"[bold]{len(faults)} fault{'s' if len(faults) > 1 else ''} in {escape(str(config))}[/bold]")
    else:
        out.print(f"[green]{escape(str(config))} is good[/green]")


def _flatten(value: object, name: str) -> list[tuple[str, object]]:
    """Return (dotted name, value) for every setting in nested tables."""
    if not isinstance(value, dict):
        return [(name, value)]
    return [row for key, inner in value.items() for row in _flatten(inner, f"{name}.{key}")]


def _show(value: object) -> str:
    """Return a value as TOML would have it; what isn't set as a dash."""
    import orjson

    return "-" if value is None else orjson.dumps(value).decode()
