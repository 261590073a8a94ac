"""What a request must be like: one function a rule, one table a kind of request, in the order of their application.

Every rule looks at the request and returns the reason to refuse it with, or None; `answers` knows the statuses. Apple
does not publish the order. This one goes from what is cheap and certain to what needs the credential: where the request
goes, the form of its headers, who sends it, what they may send, and last the payload and the destination.

Nobody has told what Apple makes of these, and they are refused: an ``apns-expiration`` beyond the year 5138, which can
only be in milliseconds, and a body that is not a JSON object, which counts as empty. A push without ``apns-push-type``
is taken, as Apple takes it for devices that need none: its topic tells the type.
"""

import base64
import binascii
import re
from collections.abc import Callable

import msgspec

from bench.simulators.apns.addresses import BROADCAST_PATH, DEVICE_PATH, find_destination, is_broadcast
from bench.simulators.apns.options import ApnsSimulatorOptions, ChannelOptions
from bench.simulators.apns.push_types import PUSH_TYPES, PushType
from bench.simulators.apns.tokens import ConnectionBinding, TokenJudge
from bench.simulators.server import Request, Sender

LARGEST_BROADCAST_BYTES = 5120
LONGEST_COLLAPSE_ID_BYTES = 64
_LONGEST_DEVICE_TOKEN = 400
_PRIORITIES = frozenset((b"10", b"5", b"1"))

_PATH = re.compile(rb"(?:/3/device|/4/broadcasts/apps)/[^/?]+")
_UUID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_DEVICE_TOKEN = re.compile(rb"(?:[0-9A-Fa-f]{2})+")
_EXPIRATION = re.compile(rb"[0-9]{1,11}")


class ApnsSender(Sender):
    """Who speaks on a connection: bound to a provider key by its first push, or known by a client certificate."""

    __slots__ = ("binding", "certificate_topics")

    def __init__(self, certificate_topics: tuple[str, ...] | None = None) -> None:
        self.binding = ConnectionBinding()
        self.certificate_topics = certificate_topics

    @property
    def is_known(self) -> bool:
        """Whether a good credential was seen."""
        return self.certificate_topics is not None or self.binding.key is not None


class Judge:
    """The rules together with what they need to know of the simulator."""

    def __init__(self, options: ApnsSimulatorOptions, tokens: TokenJudge) -> None:
        self._clock = options.clock
        self.tokens = tokens
        self.topics = options.topics
        self.broadcast_enabled = options.broadcast_enabled
        self.channels: dict[str, ChannelOptions] | None = None
        if options.channels is not None:
            self.channels = {channel.channel_id: channel for channel in options.channels}

    def find_fault(self, request: Request, sender: ApnsSender) -> str | None:
        """Return the reason of the first rule that the request breaks, or None."""
        for rule in BROADCAST_RULES if is_broadcast(request) else DEVICE_RULES:
            reason = rule(request, sender, self)
            if reason is not None:
                return reason
        return None

    def covered_topics(self, sender: ApnsSender) -> tuple[str, ...]:
        """Return the bundle ids that the sender's key or certificate may push to."""
        if sender.certificate_topics is not None:
            return sender.certificate_topics
        key = sender.binding.key
        return self.topics if key is None or key.options.topics is None else key.options.topics

    def wall(self) -> float:
        """Return UNIX time in seconds."""
        return self._clock.wall()


Rule = Callable[[Request, ApnsSender, Judge], str | None]


# --- where the request goes ---


def _path(request: Request, _sender: ApnsSender, _judge: Judge) -> str | None:
    if request.plain_path in (DEVICE_PATH, DEVICE_PATH[:-1]):
        return "MissingDeviceToken"
    return None if _PATH.fullmatch(request.plain_path) else "BadPath"


def _method(request: Request, _sender: ApnsSender, _judge: Judge) -> str | None:
    return None if request.headers.get(b":method") == b"POST" else "MethodNotAllowed"


# --- the form of its headers ---


def _repeated_headers(request: Request, _sender: ApnsSender, _judge: Judge) -> str | None:
    return "DuplicateHeaders" if request.has_repeated_header else None


def _message_id(request: Request, _sender: ApnsSender, _judge: Judge) -> str | None:
    value = request.headers.get(b"apns-id")
    return None if value is None or _UUID.fullmatch(value) else "BadMessageId"


def _request_id(request: Request, _sender: ApnsSender, _judge: Judge) -> str | None:
    value = request.headers.get(b"apns-request-id")
    return None if value is None or _UUID.fullmatch(value) else "BadRequestParams"


# --- who sends it ---


def _provider_token(request: Request, sender: ApnsSender, judge: Judge) -> str | None:
    if sender.certificate_topics is not None:
        return None  # the header is ignored on a connection with a client certificate
    return judge.tokens.find_fault(request.headers.get(b"authorization"), sender.binding, judge.wall())


# --- what they may send to a device ---


def _find_push_type(request: Request) -> PushType | None:
    """Return the type that a push names; without a name the type of its topic's suffix, or else an alert."""
    name = request.headers.get(b"apns-push-type")
    if name is not None:
        return PUSH_TYPES.get(name)
    topic = request.headers.get(b"apns-topic", b"")
    suffixed = (each for each in PUSH_TYPES.values() if each.topic_suffix and topic.endswith(each.topic_suffix))
    return next(suffixed, PUSH_TYPES[b"alert"])


def _device_push_type(request: Request, sender: ApnsSender, _judge: Judge) -> str | None:
    push_type = _find_push_type(request)
    if push_type is None:
        return "InvalidPushType"
    by_certificate = sender.certificate_topics is not None
    return "Forbidden" if push_type.allowed_with == ("token" if by_certificate else "certificate") else None


def _topic(request: Request, sender: ApnsSender, judge: Judge) -> str | None:
    push_type = _find_push_type(request)
    topic = request.headers.get(b"apns-topic")
    covered = judge.covered_topics(sender)
    if topic is None:
        # A certificate with a single topic is the one case with a default.
        return None if sender.certificate_topics is not None and len(covered) == 1 else "MissingTopic"
    if push_type is None or not topic.endswith(push_type.topic_suffix):
        return "BadTopic"
    bundle_id = topic[: len(topic) - len(push_type.topic_suffix)].decode("ascii", "replace")
    if bundle_id in covered or topic.decode("ascii", "replace") in covered:
        return None  # the latter: a certificate of one service names the topic with its suffix
    # The right app with the suffix of another push type is a bad topic; anything else is somebody else's app.
    return "BadTopic" if any(bundle_id.startswith(f"{own}.") for own in covered) else "TopicDisallowed"


def _expiration(request: Request, _sender: ApnsSender, _judge: Judge) -> str | None:
    value = request.headers.get(b"apns-expiration")
    return None if value is None or _EXPIRATION.fullmatch(value) else "BadExpirationDate"


def _device_priority(request: Request, _sender: ApnsSender, _judge: Judge) -> str | None:
    priority = request.headers.get(b"apns-priority", b"10")
    push_type = _find_push_type(request)
    if priority not in _PRIORITIES or (push_type is not None and priority not in push_type.priorities):
        return "BadPriority"
    return None


def _collapse_id(request: Request, _sender: ApnsSender, _judge: Judge) -> str | None:
    return "BadCollapseId" if len(request.headers.get(b"apns-collapse-id", b"")) > LONGEST_COLLAPSE_ID_BYTES else None


def _device_payload(request: Request, _sender: ApnsSender, _judge: Judge) -> str | None:
    push_type = _find_push_type(request)
    if push_type is not None and request.body_bytes > push_type.largest_payload_bytes:
        return "PayloadTooLarge"
    return None if _find_json_object(request.body) is not None else "PayloadEmpty"


def _device_token(request: Request, _sender: ApnsSender, _judge: Judge) -> str | None:
    token = request.plain_path[len(DEVICE_PATH) :]
    return None if len(token) <= _LONGEST_DEVICE_TOKEN and _DEVICE_TOKEN.fullmatch(token) else "BadDeviceToken"


# --- what they may send to a channel (docs/apns.md#broadcasts) ---


def _bundle_id(request: Request, sender: ApnsSender, judge: Judge) -> str | None:
    bundle_id = request.plain_path[len(BROADCAST_PATH) :].decode("ascii", "replace")
    covered = judge.covered_topics(sender)
    if bundle_id in covered:
        return None
    return "TopicDisallowed" if any(bundle_id.startswith(f"{own}.") for own in covered) else "TopicMismatch"


def _broadcast_feature(_request: Request, _sender: ApnsSender, judge: Judge) -> str | None:
    return None if judge.broadcast_enabled else "FeatureNotEnabled"


def _channel(request: Request, _sender: ApnsSender, judge: Judge) -> str | None:
    value = request.headers.get(b"apns-channel-id")
    if not value:
        return "MissingChannelId"
    try:
        base64.b64decode(value, validate=True)
    except binascii.Error:
        return "BadChannelId"
    return None if judge.channels is None or find_destination(request) in judge.channels else "ChannelNotRegistered"


def _broadcast_push_type(request: Request, _sender: ApnsSender, _judge: Judge) -> str | None:
    value = request.headers.get(b"apns-push-type")
    if value is None:
        return "MissingPushType"
    return None if value == b"liveactivity" else "InvalidPushType"


def _broadcast_expiration(request: Request, _sender: ApnsSender, judge: Judge) -> str | None:
    value = request.headers.get(b"apns-expiration")
    if value is None:
        return "BadRequestParams"
    channel = judge.channels.get(find_destination(request)) if judge.channels is not None else None
    stores_nothing = channel is not None and not channel.stores_messages
    return "BadExpirationDate" if not _EXPIRATION.fullmatch(value) or (stores_nothing and int(value) != 0) else None


def _broadcast_priority(request: Request, _sender: ApnsSender, _judge: Judge) -> str | None:
    value = request.headers.get(b"apns-priority")
    if value is None:
        return "BadRequestParams"
    return None if value in _PRIORITIES else "BadPriority"


def _broadcast_payload(request: Request, _sender: ApnsSender, _judge: Judge) -> str | None:
    if request.body_bytes == 0:
        return "PayloadEmpty"
    if request.body_bytes > LARGEST_BROADCAST_BYTES:
        return "PayloadTooLarge"
    payload = _find_json_object(request.body)
    aps = payload.get("aps") if payload is not None else None
    # A broadcast updates or ends an activity; it cannot start one.
    return None if isinstance(aps, dict) and aps.get("event") in ("update", "end") else "BadRequestPayload"


def _find_json_object(body: bytes) -> dict[str, object] | None:
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


_COMMON_RULES: tuple[Rule, ...] = (_path, _method, _repeated_headers, _message_id)

DEVICE_RULES: tuple[Rule, ...] = (
    *_COMMON_RULES,
    _provider_token,
    _device_push_type,
    _topic,
    _expiration,
    _device_priority,
    _collapse_id,
    _device_payload,
    _device_token,
)

BROADCAST_RULES: tuple[Rule, ...] = (
    *_COMMON_RULES,
    _request_id,
    _provider_token,
    _bundle_id,
    _broadcast_feature,
    _broadcast_push_type,
    _channel,
    _broadcast_expiration,
    _broadcast_priority,
    _broadcast_payload,
)
