"""How large a message is, as FCM counts (docs/fcm.md#limits): without what addresses and steers it.

Google says "keys and values" and no more. Taken here: each platform gets its own payload, and the largest counts; of a
map or an object the UTF-8 bytes of its keys and of its values, at every depth; other values than strings as JSON has
them, null as nothing. (What FCM then makes of it for Apple may be larger than Apple takes: that is another refusal.)
"""

import orjson

from bench.simulators.fcm.message_rules import Message, is_fan_out

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
