"""What a message must be like beyond the types of its fields: one function a rule, in the order of their application.

A rule looks at a message as `message_fields` read it and returns what is wrong, or None. The first that is broken gives
the answer. Where Google's pages differ among themselves the stricter was taken: see `_reserved_keys`.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

import orjson

from bench.simulators.fcm.message_fields import TARGETS
from bench.simulators.fcm.proto_json import NANOSECONDS, Violation, nanoseconds_of

LONGEST_TTL_SECONDS = 4 * 7 * 24 * 3600

# An installation id, a colon and the rest; the token of an app from before installation ids; or such an id alone.
_TOKEN = re.compile(r"(?=.{1,4096}$)(?:[A-Za-z0-9_-]+:[A-Za-z0-9_:-]+|APA91b[A-Za-z0-9_-]+|[A-Za-z0-9_-]{22})")
_INSTALLATION_ID = re.compile(r"[A-Za-z0-9_-]{22}")
_TOPIC = re.compile(r"[A-Za-z0-9_.~%-]{1,900}")
_LABEL = re.compile(r"[A-Za-z0-9_.~%-]{1,50}")
_COLOR = re.compile(r"#[0-9A-Fa-f]{6}")
_LINK = re.compile(r"https://[^\s/]+(?:/\S*)?")
_RESERVED_KEY = re.compile(r"from|message_type|(?:google|gcm)(?:\..*)?", re.DOTALL)

Message = dict[str, Any]
Rule = Callable[[Message], Violation | None]


def find_violation(message: Message) -> Violation | None:
    """Return what the first broken rule says, or None."""
    for rule in RULES:
        violation = rule(message)
        if violation is not None:
            return violation
    return None


def has_malformed_token(message: Message) -> bool:
    """Tell whether there is a registration token that can't be one, which FCM has an answer of its own for."""
    return "token" in message and _TOKEN.fullmatch(message["token"]) is None


def is_fan_out(message: Message) -> bool:
    """Tell whether one message goes to many: to a topic, or by a condition."""
    return "topic" in message or "condition" in message


def _one_target(message: Message) -> Violation | None:
    # Two are no message at all: `message_fields` has them as a oneof.
    return None if TARGETS & message.keys() else Violation("message", "The message names no recipient.")


def _installation_id(message: Message) -> Violation | None:
    return _check_form(message, "fid", _INSTALLATION_ID, "Invalid installation ID")


def _topic(message: Message) -> Violation | None:
    return _check_form(message, "topic", _TOPIC, "Invalid topic name")


def _condition(message: Message) -> Violation | None:
    condition = message.get("condition")
    is_right = condition is None or is_condition(condition)
    return None if is_right else Violation("message.condition", "Invalid condition")


def _one_android(message: Message) -> Violation | None:
    if "android" in message and "android_v2" in message:
        return Violation("message.android_v2", "android and android_v2 exclude each other")
    return None


def _ttl(message: Message) -> Violation | None:
    for name in ("android", "android_v2"):
        ttl = message.get(name, {}).get("ttl", "0s")
        if not 0 <= nanoseconds_of(ttl) <= LONGEST_TTL_SECONDS * NANOSECONDS:
            return Violation(f"message.{name}.ttl", f"TTL must be from 0 to {LONGEST_TTL_SECONDS} seconds")
    return None


def _reserved_keys(message: Message) -> Violation | None:
    """Refuse what the discovery document reserves (``google.…``), and what only pages do (``gcm``, ``google``)."""
    for path, section in _sections(message):
        for key in section.get("data", ()) if path != "message.webpush" else ():
            if _RESERVED_KEY.fullmatch(key):
                return Violation(f"{path}.data", "Invalid data payload key: it is reserved")
    return None


def _labels(message: Message) -> Violation | None:
    for path, section in _sections(message):
        label = section.get("fcm_options", {}).get("analytics_label")
        if label is not None and not _LABEL.fullmatch(label):
            return Violation(f"{path}.fcm_options.analytics_label", "Invalid analytics label")
    return None


def _color(message: Message) -> Violation | None:
    newer = message.get("android_v2", {}).get("remote_notification", {})
    for path, section in (("android", message.get("android", {})), ("android_v2.remote_notification", newer)):
        color = section.get("notification", {}).get("color")
        if color is not None and not _COLOR.fullmatch(color):
            return Violation(f"message.{path}.notification.color", "Color must be of the form #rrggbb")
    return None


def _link(message: Message) -> Violation | None:
    link = message.get("webpush", {}).get("fcm_options", {}).get("link")
    if link is not None and not _LINK.fullmatch(link):
        return Violation("message.webpush.fcm_options.link", "Link must be an https URL")
    return None


def _check_form(message: Message, field: str, form: re.Pattern[str], description: str) -> Violation | None:
    value = message.get(field)
    return None if value is None or form.fullmatch(value) else Violation(f"message.{field}", description)


def _sections(message: Message) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the message and the parts for single platforms, with their paths."""
    yield "message", message
    for name in ("android", "android_v2", "apns", "webpush"):
        if name in message:
            yield f"message.{name}", message[name]


RULES: tuple[Rule, ...] = (
    _one_target,
    _installation_id,
    _topic,
    _condition,
    _one_android,
    _ttl,
    _reserved_keys,
    _labels,
    _color,
    _link,
)


# Conditions: ``'a' in topics && ('b' in topics || !('c' in topics))`` (docs/fcm.md#addresses).
MOST_TOPICS = 5

_NEXT_PART = re.compile(
    r"""\ *(?:
        (?P<topic>'[A-Za-z0-9_.~%-]{1,900}'\ +in\ +topics\b)
      | (?P<join>&&|\|\|)
      | (?P<negation>!)
      | (?P<open>\()
      | (?P<close>\))
    )""",
    re.VERBOSE,
)


def is_condition(text: str) -> bool:
    """Tell whether a condition is well formed: its parts in a possible order, and at most five topics in all."""
    topics = depth = position = 0
    wants_operand = True
    while part := _NEXT_PART.match(text, position):
        position = part.end()
        kind = part.lastgroup
        if wants_operand != (kind in {"topic", "negation", "open"}):
            return False
        if kind in {"topic", "join"}:
            wants_operand = kind == "join"
            topics += kind == "topic"
        depth += (kind == "open") - (kind == "close")
        if depth < 0:
            return False
    return not text[position:].strip(" ") and not wants_operand and depth == 0 and 1 <= topics <= MOST_TOPICS


# How large a message is, as FCM counts (docs/fcm.md#limits): without what addresses and steers it. Google says "keys
# and values" and no more. Taken here: each platform gets its own payload, and the largest counts; of a map or an object
# the UTF-8 bytes of its keys and of its values, at every depth; other values than strings as JSON has them, null as
# nothing. (What FCM then makes of it for Apple may be larger than Apple takes: that is another refusal.)
LARGEST_BYTES = 4096
LARGEST_FAN_OUT_BYTES = 2048


def is_too_large(message: Message) -> bool:
    """Tell whether the message is larger than its kind of target may get."""
    limit = LARGEST_FAN_OUT_BYTES if is_fan_out(message) else LARGEST_BYTES
    return payload_bytes(message) > limit


def payload_bytes(message: Message) -> int:
    """Return the size of the largest payload that a platform would get."""
    data, notification = message.get("data", {}), message.get("notification", {})
    android, webpush = message.get("android", {}), message.get("webpush", {})
    android_v2, apns = message.get("android_v2", {}), message.get("apns", {})
    remote = android_v2.get("remote_notification", {})
    return max(
        _size(android.get("data", data)) + _size(notification | android.get("notification", {})),
        _size(android_v2.get("data", data)) + _size(notification | remote.get("notification", {})),
        _size(webpush.get("data", data)) + _size(notification | webpush.get("notification", {})),
        _size(apns.get("payload", {})),
    )


def _size(value: object) -> int:
    if isinstance(value, dict):
        return sum(len(key.encode()) + _size(item) for key, item in value.items())
    if isinstance(value, list):
        return sum(map(_size, value))
    if isinstance(value, str):
        return len(value.encode())
    return 0 if value is None else len(orjson.dumps(value))
