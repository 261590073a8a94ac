"""What a message says, whoever it is for and however its JSON was spelled: for readers of the ledger to compare."""

import hashlib
from collections.abc import Mapping
from typing import Any

import orjson

from bench.simulators.fcm.message_fields import TARGETS


def hash_message(message: Mapping[str, Any]) -> str:
    """Return the SHA-256 in hex of a message as canonical JSON: keys sorted, no blanks, names in snake_case.

    Left out are the target, and the times that a sender fills in anew at each attempt: ``ttl`` of the Android section,
    which goes with it when nothing else is in it, and the header ``apns-expiration``.
    """
    said = {name: value for name, value in message.items() if name not in TARGETS}
    for name in ("android", "android_v2"):
        if name in said:
            said[name] = _without(said[name], "ttl")
    if "apns" in said:
        said["apns"] = {**said["apns"], "headers": _without(said["apns"].get("headers", {}), "apns-expiration")}
    canonical = orjson.dumps({name: value for name, value in said.items() if value}, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(canonical).hexdigest()


def _without(section: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in section.items() if key != name}
