"""The APNs headers of a notification, from what the caller asked for and what the payload is.

Everything that APNs would refuse for good is found here, before it costs a request: APNs slows a connection down for
every 4xx (docs/apns.md: options, push types, connections).
"""

import hashlib
import re

import msgspec

from protocol.providers.apns.facts import ApnsFacts
from protocol.providers.apns.payload import EVENT_KEYS, PayloadShape
from protocol.providers.apns.push_types import (
    ALERT,
    BACKGROUND,
    BROADCAST_PAYLOAD_LIMIT_BYTES,
    LIVE_ACTIVITY,
    VOIP,
    PushType,
    get_push_type,
)
from protocol.reasons import Reason
from protocol.rejections import RowError
from protocol.send.fields import ApnsOptions
from protocol.timing import Timing

COLLAPSE_ID_LIMIT_BYTES = 64
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class ApnsWishes(msgspec.Struct, frozen=True, kw_only=True):
    """What a notification asks for, its defaults filled in."""

    options: ApnsOptions
    urgency: str | None
    collapse: str | None
    timing: Timing


class ApnsHeaders(msgspec.Struct, frozen=True, kw_only=True):
    """Header fields in wire form, and how large the body under them may be."""

    fields: tuple[tuple[bytes, bytes], ...]
    payload_limit_bytes: int


def make_headers(wishes: ApnsWishes, shape: PayloadShape, facts: ApnsFacts) -> ApnsHeaders:
    """Return the headers of a notification to a device token. Raises RowError."""
    push_type = _choose_push_type(wishes.options, shape, facts)
    _check_authentication(push_type, facts)
    _check_shape(push_type, shape)
    fields = [
        (b"apns-push-type", push_type.name.encode()),
        (b"apns-priority", b"%d" % _choose_priority(push_type, wishes)),
        (b"apns-expiration", b"%d" % _choose_expiration(wishes)),
    ]
    if (topic := _choose_topic(push_type, wishes.options, facts)) is not None:
        fields.insert(0, (b"apns-topic", topic.encode()))
    if (collapse_id := _choose_collapse_id(wishes)) is not None:
        fields.append((b"apns-collapse-id", collapse_id))
    return ApnsHeaders(fields=tuple(fields), payload_limit_bytes=push_type.payload_limit_bytes)


def make_broadcast_headers(wishes: ApnsWishes, shape: PayloadShape, facts: ApnsFacts) -> ApnsHeaders:
    """Return the headers of a broadcast to a channel, short of the channel's id. Raises RowError.

    The newest message replaces the stored one by itself, so the portable ``collapse`` asks for nothing more here.
    """
    _check_broadcast_options(wishes.options, facts)
    _check_shape(LIVE_ACTIVITY, shape)
    if shape.event == "start":
        raise RowError(
            Reason.INVALID_PAYLOAD, "payload_json", "a broadcast can update or end an activity, not start one"
        )
    fields = (
        (b"apns-push-type", LIVE_ACTIVITY.name.encode()),
        (b"apns-priority", b"%d" % (wishes.options.priority or LIVE_ACTIVITY.priority_for(wishes.urgency))),
        (b"apns-expiration", b"%d" % _choose_expiration(wishes)),
    )
    return ApnsHeaders(fields=fields, payload_limit_bytes=BROADCAST_PAYLOAD_LIMIT_BYTES)


def _choose_push_type(options: ApnsOptions, shape: PayloadShape, facts: ApnsFacts) -> PushType:
    """Return the type asked for; without one, the type that tells the truth about the payload.

    With the certificate of a VoIP service everything is a call.
    """
    if options.push_type is not None:
        if not _is_header_word(options.push_type):
            raise _invalid("push_type", "a push type is one word of visible ASCII")
        return get_push_type(options.push_type)
    if facts.is_for_calls_alone:
        return VOIP
    if shape.is_live_activity:
        return LIVE_ACTIVITY
    if shape.is_content_available and not shape.is_visible:
        return BACKGROUND
    return ALERT


def _check_authentication(push_type: PushType, facts: ApnsFacts) -> None:
    own = "token" if facts.token_auth else "certificate"
    if push_type.only_with not in {None, own}:
        raise _invalid("push_type", f"{push_type.name} is sent with a {push_type.only_with}, this app has a {own}")


def _check_shape(push_type: PushType, shape: PayloadShape) -> None:
    if push_type is BACKGROUND and (shape.is_visible or not shape.is_content_available):
        raise _invalid("push_type", "background needs aps.content-available 1 and no alert, badge or sound")
    if push_type is LIVE_ACTIVITY:
        _check_live_activity(shape)


def _check_live_activity(shape: PayloadShape) -> None:
    if shape.event not in EVENT_KEYS:
        raise RowError(Reason.INVALID_PAYLOAD, "payload_json", "aps.event is one of start, update and end")
    if shape.missing:
        needed = ", ".join(f"aps.{key}" for key in shape.missing)
        raise RowError(Reason.INVALID_PAYLOAD, "payload_json", f"the event {shape.event} also needs {needed}")


def _choose_priority(push_type: PushType, wishes: ApnsWishes) -> int:
    priority = wishes.options.priority
    if priority is None:
        return push_type.priority_for(wishes.urgency)
    if push_type.has_strict_priorities and priority not in push_type.priorities:
        allowed = " or ".join(str(number) for number in push_type.priorities)
        raise _invalid("priority", f"{push_type.name} has priority {allowed}")
    return priority


def _choose_expiration(wishes: ApnsWishes) -> int:
    """Return UNIX seconds, rounded up; 0 lets APNs try once and store nothing."""
    if wishes.options.expiration is not None:
        return wishes.options.expiration
    if wishes.timing.single_try:
        return 0
    return -(-wishes.timing.expires_at_ms // 1000)


def _choose_topic(push_type: PushType, options: ApnsOptions, facts: ApnsFacts) -> str | None:
    """Return the topic; None lets APNs take the only topic of a client certificate."""
    if options.topic is not None:
        return _check_topic(options.topic, push_type)
    if push_type.topic_suffix is None:
        raise _invalid("topic", "a push type that is not known here needs its topic beside it")
    bundle_id = facts.bundle_id
    if bundle_id is not None:
        return _make_topic(bundle_id, push_type.topic_suffix, facts)
    if facts.token_auth or push_type.topic_suffix:
        raise _invalid("topic", "the app has no topic configured, so the notification must name it")
    return None


def _make_topic(bundle_id: str, suffix: str, facts: ApnsFacts) -> str:
    topic = bundle_id if suffix and bundle_id.endswith(suffix) else bundle_id + suffix
    if facts.certificate_topics and topic not in facts.certificate_topics:
        raise _invalid("push_type", f"the app's certificate is not for the topic {topic}")
    return topic


def _check_topic(topic: str, push_type: PushType) -> str:
    if not _is_header_word(topic):
        raise _invalid("topic", "a topic is one word of visible ASCII")
    if push_type.topic_suffix and not topic.endswith(push_type.topic_suffix):
        raise _invalid("topic", f"the topic of {push_type.name} ends in {push_type.topic_suffix}")
    return topic


def _choose_collapse_id(wishes: ApnsWishes) -> bytes | None:
    own = wishes.options.collapse_id
    if own is not None:
        encoded = own.encode()
        if len(encoded) > COLLAPSE_ID_LIMIT_BYTES or not _is_header_text(own):
            raise _invalid("collapse_id", f"at most {COLLAPSE_ID_LIMIT_BYTES} bytes without control characters")
        return encoded
    return None if wishes.collapse is None else fit_collapse_id(wishes.collapse)


def fit_collapse_id(collapse: str) -> bytes:
    """Return a caller's collapse text, or its hash where APNs can't carry it."""
    encoded = collapse.encode()
    if len(encoded) <= COLLAPSE_ID_LIMIT_BYTES and _is_header_text(collapse):
        return encoded
    return hashlib.blake2b(encoded, digest_size=16).hexdigest().encode()


def _check_broadcast_options(options: ApnsOptions, facts: ApnsFacts) -> None:
    if facts.topic is None:
        raise RowError(Reason.INVALID_OPTION, "to.apns.channel", "the app has no topic configured to broadcast for")
    if options.topic not in {None, facts.topic}:
        raise _invalid("topic", "a broadcast goes to the app's own topic, without a suffix")
    if options.push_type is not None and get_push_type(options.push_type) is not LIVE_ACTIVITY:
        raise _invalid("push_type", "a broadcast is of the type liveactivity")
    if options.collapse_id is not None:
        raise _invalid("collapse_id", "a broadcast has no collapse id: the newest message replaces the stored one")


def _is_header_word(text: str) -> bool:
    return text.isascii() and text.isprintable() and " " not in text


def _is_header_text(text: str) -> bool:
    """Whether a header field can carry it unchanged: no controls (RFC 9110 section 5.5), no blanks at the ends.

    APNs counts bytes and doesn't look into them (docs/apns.md#options): joined emoji are as good as letters.
    """
    return not _CONTROLS.search(text) and text == text.strip()


def _invalid(option: str, detail: str) -> RowError:
    return RowError(Reason.INVALID_OPTION, f"apns.{option}", detail)
