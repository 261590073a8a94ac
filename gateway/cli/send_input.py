"""What `pushmill send` is told to send: the one destination or the file, read and checked before anything goes out."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from gateway.cli.sending import Lines

# Where the value of each option stands under ``to``; a subscription is a whole address.
_ADDRESSES: dict[str, tuple[str, ...]] = {
    "--apns-token": ("apns", "token"),
    "--apns-channel": ("apns", "channel"),
    "--fcm-token": ("fcm", "token"),
    "--fcm-fid": ("fcm", "fid"),
    "--fcm-topic": ("fcm", "topic"),
    "--fcm-condition": ("fcm", "condition"),
    "--webpush-subscription": ("webpush",),
}
# Options that say more about an address of one provider: the field there.
_DETAILS = {"--environment": ("apns", "environment"), "--vapid-key": ("webpush", "vapid_key")}


def leave_out_absent(**fields: object) -> dict[str, Any]:
    """Return the fields that were given."""
    return {name: value for name, value in fields.items() if value not in (None, {})}


def parse_data(pairs: list[str]) -> dict[str, str]:
    """Return ``key=value`` pairs as a map. Raises typer.BadParameter."""
    if any("=" not in pair for pair in pairs):
        raise typer.BadParameter("expected key=value", param_hint="--data")
    return dict(pair.split("=", 1) for pair in pairs)


def read_payload(payload: str | None) -> bytes | None:
    """Return the payload's bytes as they were written; whether they are JSON is for the gateway to say."""
    if payload is None or not payload.startswith("@"):
        return None if payload is None else payload.encode()
    return _read_file(payload[1:], "--payload")


def read_destination(options: dict[str, str | None]) -> dict[str, Any] | None:
    """Return what stands under ``to``; None where no option names a destination. Raises typer.BadParameter."""
    given = {option: value for option, value in options.items() if value is not None}
    named = [option for option in given if option in _ADDRESSES]
    if len(named) > 1:
        raise typer.BadParameter(f"{' and '.join(named)} name two destinations: one goes to one, a --file to many")
    provider = _ADDRESSES[named[0]][0] if named else None
    for option, (owner, _) in _DETAILS.items():
        if option in given and provider != owner:
            raise typer.BadParameter(
                f"is for one {owner} destination; in a file each line has its own", param_hint=option
            )
    if provider is None:
        return None
    (option,) = named
    address = _read_subscription(given[option]) if provider == "webpush" else {_ADDRESSES[option][1]: given[option]}
    details = {field: given[name] for name, (_, field) in _DETAILS.items() if name in given}
    return {provider: address | details}


def open_lines(file: str | None, format_: str | None, one: dict[str, Any], batch: dict[str, Any]) -> "Lines":
    """Return where notifications come from, after checking everything that was given by option.

    ``one`` is the notification that options name, without ``to`` where they name no destination. Raises
    typer.BadParameter.
    """
    from gateway.cli.sending import SourceLine, check_notification
    from protocol.refusals import RequestError

    if ("to" in one) == (file is not None):
        addresses = ", ".join(_ADDRESSES)
        raise typer.BadParameter(f"name one destination ({addresses}) or a --file, not both")
    if file is not None and "id" in one:
        raise typer.BadParameter("--id is for one notification; in a file each line has its own")
    shared = {name: value for name, value in batch.items() if name in ("content", "payload_json")}
    try:
        check_notification({"to": {}} | one | shared | batch.get("defaults", {}))
    except RequestError as error:
        raise typer.BadParameter(f"{error.field}: {error.detail}") from None
    if file is None:
        return iter([SourceLine("the notification", one)])
    return _open_file(file, format_ or ("csv" if file.lower().endswith(".csv") else "ndjson"))


def _open_file(file: str, kind: str) -> "Lines":
    from gateway.cli.sending import HeaderError, read_csv, read_lines, read_ndjson

    if kind not in ("csv", "ndjson"):
        raise typer.BadParameter("expected ndjson or csv", param_hint="--format")
    name = "stdin" if file == "-" else file
    try:
        # Read until the process ends, so nobody closes it. A reader of its own on descriptor 0, for Python's locks up
        # a process that ends while a thread waits in it.
        opened = open(0 if file == "-" else file, "rb", closefd=file != "-")  # noqa: SIM115
        return _end_with_fault((read_csv if kind == "csv" else read_ndjson)(read_lines(opened), name), name)
    except HeaderError as error:
        raise typer.BadParameter(str(error), param_hint="--file") from None
    except (OSError, ValueError) as error:  # a text that is no name of a file, for instance with a zero byte
        detail = error.strerror if isinstance(error, OSError) else "not a file"
        raise typer.BadParameter(f"{name}: {detail}", param_hint="--file") from None


def _end_with_fault(lines: "Lines", name: str) -> "Lines":
    """Yield the lines; where the file can't be read to its end, that is a fault, and what came before it is sent."""
    from gateway.cli.sending import LineFault

    try:
        yield from lines
    except OSError as error:
        yield LineFault(name, f"can't be read to its end: {error.strerror}")


def read_moment(text: str | None, option: str) -> int | None:
    """Return the moment that an option names. Raises typer.BadParameter."""
    from gateway.cli.sending import parse_moment

    try:
        return None if text is None else parse_moment(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None


def _read_subscription(text: str) -> dict[str, Any]:
    """Return a subscription from its JSON or from a file with it; nothing of it is ever repeated."""
    hint = "--webpush-subscription"
    data = text if text.lstrip().startswith("{") else _read_file(text, hint)
    try:
        subscription = json.loads(data)
    except (ValueError, RecursionError):
        subscription = None
    if not isinstance(subscription, dict):
        raise typer.BadParameter("not a JSON object: give what JSON.stringify(subscription) prints", param_hint=hint)
    return subscription


def _read_file(name: str, hint: str) -> bytes:
    try:
        return Path(name).read_bytes()
    except (OSError, ValueError) as error:  # a text that is no name of a file, for instance with a zero byte
        detail = error.strerror if isinstance(error, OSError) else "not a file"
        raise typer.BadParameter(f"{name}: {detail}", param_hint=hint) from None
