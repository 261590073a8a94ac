"""`pushmill send`: one notification from options, or many from a file or a pipe."""

import ssl
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

if TYPE_CHECKING:
    from gateway.caller import Totals
    from gateway.caller.notification_lines import Lines
    from protocol.results import Result

NOT_ALL_TAKEN = 1
WRONG_USE = 2
NO_GATEWAY = 3
INTERRUPTED = 130  # what a shell reports for a command that Ctrl-C ended


def send(
    app: Annotated[str, typer.Option(help="The configured app to send for.", envvar="PUSHMILL_APP")],
    address: Annotated[
        str,
        typer.Option(
            "--address", "-a", help="The gateway: unix:/path or tcp:host:port (TLS).", envvar="PUSHMILL_ADDRESS"
        ),
    ] = "unix:/run/pushmill/gateway.sock",
    ca_file: Annotated[
        Path | None, typer.Option(help="Trust this certificate authority for TLS, not the system's.")
    ] = None,
    no_tls: Annotated[bool, typer.Option("--no-tls", help="Speak TCP without TLS (loopback only).")] = False,
    file: Annotated[
        str | None, typer.Option("--file", "-f", help="Notifications, one a line; - is standard input.")
    ] = None,
    format_: Annotated[
        str | None, typer.Option("--format", help="ndjson or csv; by default from the file's name, else ndjson.")
    ] = None,
    apns_token: Annotated[str | None, typer.Option(help="Send one notification to this APNs device token.")] = None,
    apns_channel: Annotated[str | None, typer.Option(help="Broadcast to this APNs channel.")] = None,
    environment: Annotated[
        str | None, typer.Option(help="production or sandbox; by default the app's own.")
    ] = None,
    id_: Annotated[str | None, typer.Option("--id", help="Your own name for the notification.")] = None,
    title: Annotated[str | None, typer.Option(help="First line of the notification.")] = None,
    body: Annotated[str | None, typer.Option(help="Its text.")] = None,
    image: Annotated[str | None, typer.Option(help="URL of an image.")] = None,
    link: Annotated[str | None, typer.Option(help="URL to open.")] = None,
    badge: Annotated[int | None, typer.Option(help="Number on the app's icon; 0 removes it.")] = None,
    sound: Annotated[str | None, typer.Option(help="Sound to play.")] = None,
    data: Annotated[list[str] | None, typer.Option(help="key=value for the app; may be repeated.")] = None,
    payload: Annotated[
        str | None, typer.Option(help="The provider's own JSON in place of content; @name reads a file.")
    ] = None,
    ttl: Annotated[int | None, typer.Option(help="Seconds until it is of no use any more; 0: one try now.")] = None,
    urgency: Annotated[str | None, typer.Option(help="high, normal or low.")] = None,
    queue: Annotated[str | None, typer.Option(help="urgent, normal or bulk.")] = None,
    collapse: Annotated[str | None, typer.Option(help="Replaces an earlier notification of this name.")] = None,
    push_type: Annotated[str | None, typer.Option(help="apns-push-type, such as alert or background.")] = None,
    topic: Annotated[str | None, typer.Option(help="apns-topic; by default from the app's settings.")] = None,
    label: Annotated[list[str] | None, typer.Option(help="Comes back in results; may be repeated.")] = None,
    batch_size: Annotated[int, typer.Option(help="Notifications in a batch.", min=1, max=10_000)] = 1000,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Stop once the gateway has accepted.")] = False,
    timeout: Annotated[float, typer.Option(help="Stop waiting after so many seconds without a result.", min=0.1)] = 60,
    subscription: Annotated[
        str | None,
        typer.Option(help="Read results as this named reader, so that the gateway may forget them; else look on."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print results as NDJSON instead of a table.")] = False,
) -> None:  # fmt: skip
    """Send one notification, or many, and wait for the providers' answers.

    One, to a device:

        pushmill send --app shop --apns-token 9f2c… --title "Your order" --body "is on its way"

    With a payload of your own, and from a file:

        pushmill send --app shop --apns-token 9f2c… --payload '{"aps": {"content-available": 1}}' --push-type background
        pushmill send --app shop --apns-token 9f2c… --payload @payload.json

    The same to everybody in a CSV file (columns: token, and perhaps id, environment, title, body, ttl …):

        pushmill send --app shop --file customers.csv --title "Sale" --body "20 % off today"

    NDJSON, a notification in the fields of the API on each line, from a pipe, and results as NDJSON:

        generate | pushmill send --app shop --file - --json > results.ndjson

    Options for content and delivery hold for every line that says nothing else. A line that can't be sent is named on
    standard error as file:line; the others are sent all the same.

    Results stay with the gateway for its other readers, and unread ones stop new work in the end. Where this command is
    the only reader, let it read them as one: --subscription NAME, always the same name.

    Exit codes: 0 every notification was taken by the provider (with --no-wait: by the gateway), 1 some were not,
    2 wrong use, 3 the gateway can't be reached or the connection was lost, 130 Ctrl-C.
    """
    content = {"title": title, "body": body, "image": image, "link": link, "badge": badge, "sound": sound}
    batch = _without_absent(
        app=app,
        content=_without_absent(**content, data=_parse_data(data or [])),
        payload_json=_read_payload(payload),
        defaults=_without_absent(
            ttl=ttl,
            urgency=urgency,
            queue=queue,
            collapse=collapse,
            apns=_without_absent(push_type=push_type, topic=topic),
        ),
        labels=label,
    )
    address_of_one = _without_absent(token=apns_token, channel=apns_channel, environment=environment)
    one = _without_absent(to={"apns": address_of_one}, id=id_)
    lines = _open_lines(file, format_, one, batch)
    settings = _RunSettings(address, _make_tls(address, ca_file, no_tls=no_tls), batch, batch_size, subscription)
    totals = _run(settings, lines, None if no_wait else timeout, as_json=json)
    if not json:
        from gateway.cli.send_display import print_table

        print_table(totals, waited=not no_wait)
    if totals.missing and not no_wait:
        typer.echo(
            f"pushmill send: no result for {timeout:g} s; the gateway goes on trying, and its log says why",
            err=True,
        )
    sys.exit(0 if (totals.is_all_accepted if no_wait else totals.is_all_taken) else NOT_ALL_TAKEN)


def _without_absent(**fields: object) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value not in (None, {})}


def _parse_data(pairs: list[str]) -> dict[str, str]:
    if any("=" not in pair for pair in pairs):
        raise typer.BadParameter("expected key=value", param_hint="--data")
    return dict(pair.split("=", 1) for pair in pairs)


def _read_payload(payload: str | None) -> bytes | None:
    """Return the payload's bytes as they were written; whether they are JSON is for the gateway to say."""
    if payload is None or not payload.startswith("@"):
        return None if payload is None else payload.encode()
    try:
        return Path(payload[1:]).read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"{payload[1:]}: {error.strerror}", param_hint="--payload") from None


def _make_tls(address: str, ca_file: Path | None, *, no_tls: bool) -> ssl.SSLContext | None:
    if no_tls or address.startswith("unix:"):
        return None
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise typer.BadParameter(f"{ca_file}: {error.strerror or error}", param_hint="--ca-file") from None


def _open_lines(file: str | None, format_: str | None, one: dict[str, Any], batch: dict[str, Any]) -> "Lines":
    """Return where notifications come from, after checking everything that was given by option."""
    from gateway.caller import HeaderError, SourceLine, check_notification, read_csv, read_ndjson
    from protocol.refusals import RequestError

    is_addressed = "token" in one["to"]["apns"] or "channel" in one["to"]["apns"]
    if is_addressed == (file is not None):
        raise typer.BadParameter("name one destination (--apns-token, --apns-channel) or a --file, not both")
    if file is not None and (one["to"]["apns"] or "id" in one):
        raise typer.BadParameter("--environment and --id are for one notification; in a file each line has its own")
    shared = {name: value for name, value in batch.items() if name in ("content", "payload_json")}
    try:
        check_notification(one | shared | batch.get("defaults", {}))
    except RequestError as error:
        raise typer.BadParameter(f"{error.field}: {error.detail}") from None
    if file is None:
        return iter([SourceLine("the notification", one)])
    kind = format_ or ("csv" if file.lower().endswith(".csv") else "ndjson")
    if kind not in ("csv", "ndjson"):
        raise typer.BadParameter("expected ndjson or csv", param_hint="--format")
    try:
        # Read until the process ends, so nobody closes it. A reader of its own on descriptor 0, for Python's locks up
        # a process that ends while a thread waits in it.
        # Spreadsheets put a byte order mark in front of UTF-8.
        opened = open(0 if file == "-" else file, encoding="utf-8-sig", newline="", closefd=file != "-")  # noqa: SIM115
        return (read_csv if kind == "csv" else read_ndjson)(opened, "stdin" if file == "-" else file)
    except HeaderError as error:
        raise typer.BadParameter(str(error), param_hint="--file") from None
    except OSError as error:
        raise typer.BadParameter(f"{file}: {error.strerror}", param_hint="--file") from None


class _RunSettings(NamedTuple):
    """Where to and what to send with every batch, and as which reader to take its results."""

    address: str
    tls: ssl.SSLContext | None
    batch: dict[str, Any]
    batch_size: int
    subscription: str | None


def _run(settings: _RunSettings, lines: "Lines", timeout: float | None, *, as_json: bool) -> "Totals":
    import trio

    from gateway.caller import CallerError

    # The exit comes after the clauses: what is raised inside an `except*` leaves it in an exception group.
    code = NO_GATEWAY
    try:
        return trio.run(_send, settings, lines, timeout, as_json)
    except* CallerError as errors:
        typer.echo(f"pushmill send: {_first(errors)}", err=True)
    except* ValueError as errors:  # an address that is none, a file that is not UTF-8
        typer.echo(f"pushmill send: {_first(errors)}", err=True)
        code = WRONG_USE
    except* KeyboardInterrupt:
        typer.echo("pushmill send: interrupted; what the gateway accepted is still sent", err=True)
        code = INTERRUPTED
    sys.exit(code)


async def _send(settings: _RunSettings, lines: "Lines", patience_seconds: float | None, as_json: bool) -> "Totals":
    from gateway.caller import Sending, open_caller
    from gateway.cli.send_display import print_result, show_progress

    async with open_caller(settings.address, tls=settings.tls) as caller:
        sending = Sending(
            caller,
            settings.batch,
            batch_rows=settings.batch_size,
            subscription=settings.subscription,
            on_fault=lambda place, detail: typer.echo(f"{place}: {detail}", err=True),
            on_result=print_result if as_json else _pass_over,
        )
        with show_progress(sending):
            await sending.run(lines, patience_seconds=patience_seconds)
        return sending.totals


def _pass_over(result: "Result") -> None:
    """Leave it to the table."""


def _first(errors: BaseExceptionGroup[Exception]) -> BaseException:
    """Return one error out of groups in groups."""
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
