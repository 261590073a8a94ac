"""Every field of a send request with its bound, as the msgpack socket carries it.

Bounds here are those of the schema: outside the rows a value beyond them makes the whole request unreadable, inside a
row it rejects that row alone (:mod:`protocol.send.unreadable_rows`). What is right by the schema but can't be sent (a
token that is no token, a payload over the provider's limit) is the business of :mod:`protocol.preparation`. Lengths
count characters; where a bound is in bytes, preparation counts again.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

ID_LIMIT_BYTES = 64
CANCEL_KEY_LIMIT_BYTES = 64
LABEL_LIMIT_BYTES = 64
TTL_LIMIT_SECONDS = 28 * 24 * 3600
# The year 2100: later moments are mistakes in the unit, and every sum stays far inside 64 bits.
MOMENT_LIMIT_MS = 4_102_444_800_000
# Times in the wrong unit are to be read, so that :mod:`protocol.timing` rejects their row alone and names the unit: the
# moment now in nanoseconds is 1.8e18.
WRONG_UNIT_LIMIT = 2**63 - 1

BatchId = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9._~-]{1,255}\Z")]
RowId = Annotated[str, Meta(min_length=1, max_length=ID_LIMIT_BYTES)]
Name = Annotated[str, Meta(min_length=1, max_length=255)]
# No provider takes more than 5 KiB; up to 64 KiB it is preparation that says so, and rejects the row alone.
Text = Annotated[str, Meta(max_length=65536)]
DestinationText = Annotated[str, Meta(min_length=1, max_length=4096)]
# No lower bound: an empty key rejects its own row, in words about keys.
SubscriptionKey = Annotated[str, Meta(max_length=255)]
Payload = Annotated[bytes, Meta(max_length=65536)]
Seconds = Annotated[int, Meta(ge=0, le=WRONG_UNIT_LIMIT)]
MomentMs = Annotated[int, Meta(ge=0, le=WRONG_UNIT_LIMIT)]
Urgency = Literal["high", "normal", "low"]
QueueWord = Literal["urgent", "normal", "bulk"]
UnknownPolicy = Literal["retry", "report"]
Environment = Literal["production", "sandbox"]
Track = Annotated[bytes, Meta(max_length=128)]
CancelKey = Annotated[str, Meta(min_length=1, max_length=CANCEL_KEY_LIMIT_BYTES)]
CancelKeys = Annotated[list[CancelKey], Meta(max_length=4)]
Label = Annotated[str, Meta(min_length=1, max_length=LABEL_LIMIT_BYTES)]
# The setting for the largest batch stays below it. Read from the array's header before anything is allocated.
ROWS_CEILING = 50_000
Rows = Annotated[list[msgspec.Raw], Meta(max_length=ROWS_CEILING)]
Data = Annotated[dict[Name, Text], Meta(max_length=100)]


class _Fields(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True, frozen=True, kw_only=True, gc=False):
    """Strict, immutable, and holding no reference cycles."""


class ApnsTarget(_Fields, frozen=True):
    """A device token in hex, or the id of a broadcast channel."""

    token: DestinationText | None = None
    channel: DestinationText | None = None
    environment: Environment | None = None


class FcmTarget(_Fields, frozen=True):
    """One of the four ways in which FCM addresses."""

    token: DestinationText | None = None
    fid: DestinationText | None = None
    topic: DestinationText | None = None
    condition: DestinationText | None = None


class WebPushKeys(_Fields, frozen=True, forbid_unknown_fields=False):
    """The subscription's own keys, base64url as browsers print them."""

    p256dh: SubscriptionKey
    auth: SubscriptionKey


class WebPushTarget(_Fields, frozen=True, forbid_unknown_fields=False):
    """A Web Push subscription as browsers print it; ``vapid_key`` picks the application server key it was made with.

    ``expiration_time`` is UNIX milliseconds; browsers call it ``expirationTime``, mostly null, and forms and databases
    make "" of that. The object is a browser's, so keys that are not known here are passed over.
    """

    endpoint: DestinationText
    keys: WebPushKeys
    expiration_time: float | str | None = msgspec.field(default=None, name="expirationTime")
    vapid_key: Name | None = None


class Target(_Fields, frozen=True):
    """Exactly one provider's address."""

    apns: ApnsTarget | None = None
    fcm: FcmTarget | None = None
    webpush: WebPushTarget | None = None


class TargetRow(Target, frozen=True):
    """A row of ``targets``, the cheap fan-out form: an address and perhaps an id."""

    id: RowId | None = None


class Content(_Fields, frozen=True):
    """What a notification says, in words that every provider can show."""

    title: Text | None = None
    body: Text | None = None
    image: Text | None = None
    link: Text | None = None
    badge: Annotated[int, Meta(ge=0, le=2**31 - 1)] | None = None
    sound: Name | None = None
    data: Data | None = None


class ApnsOptions(_Fields, frozen=True):
    """APNs request headers. ``expiration`` is UNIX seconds, 0 for one attempt by APNs that is never stored.

    ``topic`` is the whole header value, suffix included; absent, it is made from the app's topic and the push type.
    """

    push_type: Name | None = None
    topic: Name | None = None
    priority: Literal[1, 5, 10] | None = None
    collapse_id: Name | None = None
    expiration: Annotated[int, Meta(ge=0, le=WRONG_UNIT_LIMIT)] | None = None


class FcmOptions(_Fields, frozen=True):
    """FCM's own options. What a message of the caller's own says goes before them, but for ``validate_only``.

    ``validate_only`` has FCM check a message and deliver nothing.
    """

    priority: Literal["normal", "high"] | None = None
    collapse_key: Name | None = None
    restricted_package_name: Name | None = None
    analytics_label: Name | None = None
    direct_boot_ok: bool | None = None
    bandwidth_constrained_ok: bool | None = None
    restricted_satellite_ok: bool | None = None
    validate_only: bool | None = None


class WebPushOptions(_Fields, frozen=True):
    """Web Push request headers, and ``declarative``: whether the browser itself may show portable content."""

    urgency: Literal["very-low", "low", "normal", "high"] | None = None
    topic: Name | None = None
    declarative: bool | None = None


class Defaults(_Fields, frozen=True):
    """What a notification takes where it does not say otherwise. ``ttl`` and its kin: see the class below."""

    ttl: Seconds | None = None
    expires_at: MomentMs | None = None
    not_before: MomentMs | None = None
    urgency: Urgency | None = None
    queue: QueueWord | None = None
    collapse: Name | None = None
    cancel_keys: CancelKeys | None = None
    on_unknown: UnknownPolicy | None = None
    apns: ApnsOptions | None = None
    fcm: FcmOptions | None = None
    webpush: WebPushOptions | None = None
    track: Track | None = None


class Notification(Defaults, frozen=True, kw_only=True):
    """One notification. ``ttl`` in seconds, ``expires_at`` and ``not_before`` in UNIX milliseconds.

    ``payload_json`` is the provider's own JSON body, sent byte for byte; it takes the place of ``content``.
    ``payload_bytes`` likewise are any bytes, for Web Push alone.
    """

    to: Target
    id: RowId | None = None
    content: Content | None = None
    payload_json: Payload | None = None
    payload_bytes: Payload | None = None


class SendFrame(
    msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True, tag_field="op", tag="send", gc=False
):
    """The outer map of a batch. ``notifications`` and ``targets`` stay undecoded: see :func:`decode_rows`."""

    app: Name
    batch_id: BatchId | None = None
    content: Content | None = None
    payload_json: Payload | None = None
    payload_bytes: Payload | None = None
    defaults: Defaults = Defaults()
    labels: Annotated[list[Label], Meta(max_length=8)] = []
    wait_ms: Annotated[int, Meta(ge=0, le=60_000)] | None = None
    notifications: Rows | None = None
    targets: Rows | None = None


class BatchEnvelope(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A batch whose rows are counted and split, each still its own undecoded msgpack map."""

    app: str
    batch_id: str | None
    content: Content | None
    payload_json: bytes | None
    payload_bytes: bytes | None
    defaults: Defaults
    labels: tuple[str, ...]
    rows_field: Literal["notifications", "targets"]
    rows: list[msgspec.Raw]

    def __len__(self) -> int:
        return len(self.rows)
