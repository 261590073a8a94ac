"""A line of the FCM simulator's ledger, and what a message says, however its JSON was spelled."""

import hashlib
from collections.abc import Mapping
from typing import Any

import orjson

from bench.simulators.fcm.message_fields import TARGETS
from bench.simulators.server import LedgerEntry


class FcmLedgerEntry(LedgerEntry, frozen=True, kw_only=True, gc=False):
    """One message that was seen whole; its destination is the token, installation id, topic or condition."""

    message_id: str | None
    """The ``name`` of a message that broke no rule, which an answer of 200 has told the client."""
    message_sha256: str
    """SHA-256 of what the message says: see `hash_message`. ``body_sha256`` is that of the bytes that came."""
    validate_only: bool
    """Whether the message was only to be checked."""


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
