"""`pushmill send`: one notification from options, or many from a file or a pipe."""

import ssl
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import typer

from gateway.cli import send_options as options
from gateway.cli.send_input import leave_out_absent, open_lines, parse_data, read_destination, read_moment, read_payload

if TYPE_CHECKING:
    from gateway.cli.sending import Lines, Totals

NOT_ALL_TAKEN = 1
WRONG_USE = 2
NO_GATEWAY = 3
INTERRUPTED = 130  # what a shell reports for a command that Ctrl-C ended


def send(
    app: options.App,
    address: options.Address = "unix:/run/pushmill/gateway.sock",
    ca_file: options.CaFile = None,
    no_tls: options.NoTls = False,
    apns_token: options.ApnsToken = None,
    apns_channel: options.ApnsChannel = None,
    environment: options.Environment = None,
    fcm_token: options.FcmToken = None,
    fcm_fid: options.FcmFid = None,
    fcm_topic: options.FcmTopic = None,
    fcm_condition: options.FcmCondition = None,
    webpush_subscription: options.WebpushSubscription = None,
    vapid_key: options.VapidKey = None,
    id_: options.Id = None,
    file: options.File = None,
    format_: options.Format = None,
    batch_size: options.BatchSize = 1000,
    title: options.Title = None,
    body: options.Body = None,
    image: options.Image = None,
    link: options.Link = None,
    badge: options.Badge = None,
    sound: options.Sound = None,
    data: options.Data = None,
    payload: options.Payload = None,
    ttl: options.Ttl = None,
    expires_at: options.ExpiresAt = None,
    not_before: options.NotBefore = None,
    urgency: options.Urgency = None,
    queue: options.Queue = None,
    collapse: options.Collapse = None,
    push_type: options.PushType = None,
    topic: options.Topic = None,
    label: options.Label = None,
    no_wait: options.NoWait = False,
    timeout: options.Timeout = 60,
    subscription: options.Subscription = None,
    json: options.Json = False,
) -> None:
    """Send one notification, or many, and wait for the providers' answers.

    One, to an iPhone, to an Android device, to everybody who follows a topic, to a browser:

        pushmill send --app shop --apns-token 9f2c… --title "Your order" --body "is on its way"
        pushmill send --app shop --fcm-token c8:APA91… --title "Your order" --body "is on its way"
        pushmill send --app shop --fcm-topic news --title "Sale" --link https://shop.example/sale
        pushmill send --app shop --webpush-subscription subscription.json --title "Sale" --link https://shop.example/sale

    With a payload of your own, which is in the words of its provider, and from a file:

        pushmill send --app shop --apns-token 9f2c… --payload '{"aps": {"content-available": 1}}' --push-type background
        pushmill send --app shop --fcm-token c8:APA91… --payload @message.json

    The same to everybody in a CSV file, which may mix the providers. Columns are one address a row (token, fcm_token,
    fcm_topic, subscription, or endpoint with p256dh and auth …) and perhaps id, environment, vapid_key, title, ttl …:

        pushmill send --app shop --file customers.csv --title "Sale" --body "20 % off today"

    NDJSON, a notification in the fields of the API on each line, from a pipe, and results as NDJSON:

        generate | pushmill send --app shop --file - --json > results.ndjson

    where a line is, for instance:

        {"id": "n1", "to": {"apns": {"token": "9f2c…"}}, "content": {"title": "Sale"}, "ttl": 3600}
        {"id": "n2", "to": {"fcm": {"token": "c8:APA91…"}}}
        {"id": "n3", "to": {"webpush": {"endpoint": "https://…", "keys": {"p256dh": "B…", "auth": "…"}}}}

    Options for content and delivery hold for every line that says nothing else. A line that can't be sent is named on
    standard error as file:line; the others are sent all the same. Files are UTF-8, or UTF-16 with a byte order mark.

    Moments (--not-before, --expires-at, not_before and expires_at in files) are UNIX milliseconds, or ISO 8601 with a
    zone: 2026-12-01T09:00:00Z or 2026-12-01T10:00:00+01:00.

    With --json there is one line out for each line in: results in the fields of the API, and for what has none an
    outcome of not_sent (the line is no notification), refused (by the gateway: reason, field and detail say why),
    accepted (with --no-wait), no_result (in time) or unanswered (the connection ended first). Each has its line.

    Results stay with the gateway for its other readers, and unread ones stop new work in the end. Where this command is
    the only reader, let it read them as one: --subscription NAME, always the same name.

    Exit codes: 0 every notification was taken by the provider (with --no-wait: by the gateway), 1 some were not, or
    lines were no notifications, 2 wrong use: nothing was sent, 3 the gateway can't be reached or the connection was
    lost, 74 standard output can't be written, 130 Ctrl-C, 141 its reader has gone.
    """
    content = {"title": title, "body": body, "image": image, "link": link, "badge": badge, "sound": sound}
    batch = leave_out_absent(
        app=app,
        content=leave_out_absent(**content, data=parse_data(data or [])),
        payload_json=read_payload(payload),
        defaults=leave_out_absent(
            ttl=ttl,
            expires_at=read_moment(expires_at, "--expires-at"),
            not_before=read_moment(not_before, "--not-before"),
            urgency=urgency,
            queue=queue,
            collapse=collapse,
            apns=leave_out_absent(push_type=push_type, topic=topic),
        ),
        labels=label,
    )
    destination = read_destination(
        {
            "--apns-token": apns_token,
            "--apns-channel": apns_channel,
            "--environment": environment,
            "--fcm-token": fcm_token,
            "--fcm-fid": fcm_fid,
            "--fcm-topic": fcm_topic,
            "--fcm-condition": fcm_condition,
            "--webpush-subscription": webpush_subscription,
            "--vapid-key": vapid_key,
        }
    )
    lines = open_lines(file, format_, leave_out_absent(to=destination, id=id_), batch)
    settings = _RunSettings(address, _make_tls(address, ca_file, no_tls=no_tls), batch, batch_size, subscription)
    totals = _run(settings, lines, None if no_wait else timeout, as_json=json)
    if not totals.sent and not totals.faults:
        typer.echo(f"pushmill send: there is no notification in {file}, so nothing was sent", err=True)
    elif not json:
        from gateway.cli.send_display import print_table

        print_table(totals, waited=not no_wait)
    if totals.missing and not no_wait:
        typer.echo(
            f"pushmill send: no result for {timeout:g} s; the gateway goes on trying, and its log says why",
            err=True,
        )
    sys.exit(0 if (totals.is_all_accepted if no_wait else totals.is_all_taken) else NOT_ALL_TAKEN)


def _make_tls(address: str, ca_file: Path | None, *, no_tls: bool) -> ssl.SSLContext | None:
    if no_tls or address.startswith("unix:"):
        return None
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise typer.BadParameter(f"{ca_file}: {error.strerror or error}", param_hint="--ca-file") from None


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
    from gateway.caller import open_caller
    from gateway.cli.send_display import print_row, show_progress
    from gateway.cli.sending import Sending

    async with open_caller(settings.address, tls=settings.tls) as caller:
        sending = Sending(
            caller,
            settings.batch,
            batch_rows=settings.batch_size,
            subscription=settings.subscription,
            on_fault=lambda place, detail: typer.echo(f"{place}: {detail}", err=True),
            on_result=lambda _: None,
            on_row=print_row if as_json else None,
        )
        try:
            with show_progress(sending):
                await sending.run(lines, patience_seconds=patience_seconds)
        finally:
            sending.end_rows()
        return sending.totals


def _first(errors: BaseExceptionGroup[Exception]) -> BaseException:
    """Return one error out of groups in groups."""
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
