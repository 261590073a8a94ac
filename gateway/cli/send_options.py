"""The options of `pushmill send`, in the panels in which `--help` shows them."""

from pathlib import Path
from typing import Annotated, Any

import typer


def _option(panel: str, *names: str, **settings: Any) -> Any:  # noqa: ANN401 - what typer.Option takes and returns
    return typer.Option(*names, rich_help_panel=panel, **settings)


_GATEWAY = "Gateway"
App = Annotated[str, _option(_GATEWAY, help="The configured app to send for.", envvar="PUSHMILL_APP")]
Address = Annotated[
    str,
    _option(
        _GATEWAY,
        "--address",
        "-a",
        help="The gateway: unix:/path or tcp:host:port (TLS).",
        envvar="PUSHMILL_ADDRESS",
    ),
]
CaFile = Annotated[Path | None, _option(_GATEWAY, help="Trust this certificate authority for TLS, not the system's.")]
NoTls = Annotated[bool, _option(_GATEWAY, "--no-tls", help="Speak TCP without TLS (loopback only).")]

_ONE = "One destination"
ApnsToken = Annotated[str | None, _option(_ONE, help="An APNs device token, in hex.")]
ApnsChannel = Annotated[str | None, _option(_ONE, help="Broadcast to this APNs channel.")]
Environment = Annotated[str | None, _option(_ONE, help="Of APNs: production or sandbox; by default the app's own.")]
FcmToken = Annotated[str | None, _option(_ONE, help="An FCM registration token.")]
FcmFid = Annotated[str | None, _option(_ONE, help="A Firebase installation id.")]
FcmTopic = Annotated[str | None, _option(_ONE, help="All subscribers of an FCM topic, named without /topics/.")]
FcmCondition = Annotated[
    str | None, _option(_ONE, help="FCM topics, as in \"'news' in topics && !('sport' in topics)\".")
]
WebpushSubscription = Annotated[
    str | None,
    _option(
        _ONE,
        metavar="FILE|JSON",
        help="A Web Push subscription as a browser prints it: JSON.stringify(subscription), or a file with it.",
    ),
]
VapidKey = Annotated[
    str | None,
    _option(
        _ONE,
        help="The VAPID key that the subscription was made with: its id in the settings, or the public key itself; "
        "by default the app's default one.",
    ),
]
Id = Annotated[str | None, _option(_ONE, "--id", help="Your own name for the notification.")]

_MANY = "Many destinations"
File = Annotated[str | None, _option(_MANY, "--file", "-f", help="Notifications, one a line; - is standard input.")]
Format = Annotated[
    str | None, _option(_MANY, "--format", help="ndjson or csv; by default from the file's name, else ndjson.")
]
BatchSize = Annotated[int, _option(_MANY, help="Notifications in a batch.", min=1, max=10_000)]

_CONTENT = "Content"
Title = Annotated[str | None, _option(_CONTENT, help="First line of the notification.")]
Body = Annotated[str | None, _option(_CONTENT, help="Its text.")]
Image = Annotated[str | None, _option(_CONTENT, help="URL of an image.")]
Link = Annotated[str | None, _option(_CONTENT, help="URL to open.")]
Badge = Annotated[int | None, _option(_CONTENT, help="Number on the app's icon; 0 removes it.")]
Sound = Annotated[str | None, _option(_CONTENT, help="Sound to play; browsers have none.")]
Data = Annotated[list[str] | None, _option(_CONTENT, help="key=value for the app; may be repeated.")]
Payload = Annotated[
    str | None, _option(_CONTENT, help="The provider's own JSON in place of content; @name reads a file.")
]

_DELIVERY = "Delivery"
Ttl = Annotated[int | None, _option(_DELIVERY, help="Seconds until it is of no use any more; 0: one try now.")]
ExpiresAt = Annotated[
    str | None,
    _option(
        _DELIVERY,
        metavar="TIME",
        help="Instead of --ttl the moment: 2026-12-01T09:00:00Z, with an offset, or UNIX milliseconds.",
    ),
]
NotBefore = Annotated[
    str | None, _option(_DELIVERY, metavar="TIME", help="Not to be sent before this moment, written as --expires-at.")
]
Urgency = Annotated[str | None, _option(_DELIVERY, help="high, normal or low.")]
Queue = Annotated[str | None, _option(_DELIVERY, help="urgent, normal or bulk.")]
Collapse = Annotated[str | None, _option(_DELIVERY, help="Replaces an earlier notification of this name.")]
PushType = Annotated[str | None, _option(_DELIVERY, help="apns-push-type, such as alert or background.")]
Topic = Annotated[str | None, _option(_DELIVERY, help="apns-topic; by default from the app's settings.")]
Label = Annotated[list[str] | None, _option(_DELIVERY, help="Comes back in results; may be repeated.")]

_RESULTS = "Results"
NoWait = Annotated[bool, _option(_RESULTS, "--no-wait", help="Stop once the gateway has accepted.")]
Timeout = Annotated[
    float, _option(_RESULTS, help="Stop waiting after so many seconds without a result of this command's own.", min=0.1)
]
Subscription = Annotated[
    str | None,
    _option(_RESULTS, help="Read results as this named reader, so that the gateway may forget them; else look on."),
]
Json = Annotated[
    bool, _option(_RESULTS, "--json", help="Print a line of JSON for each notification, instead of a table.")
]
