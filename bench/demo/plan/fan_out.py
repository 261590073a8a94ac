"""The fan-out batch: one content for many targets of all providers, and what each provider must make of it."""

import hashlib
import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from bench.demo.plan.notifications import Body
from bench.judging.history import ProviderName
from bench.simulators.fcm import hash_message

FAN_OUT_FILE = Path(__file__).with_name("fan_out.toml")


class FanOut(msgspec.Struct, frozen=True):
    """Portable content, and by provider what arrives of it."""

    content: dict[str, Any]
    bodies: Mapping[ProviderName, Body]


def read_fan_out() -> FanOut:
    """Read what the fan-out batch says."""
    given = tomllib.loads(FAN_OUT_FILE.read_text(encoding="utf-8"))
    hashes = {
        ProviderName.APNS: _hash(given["apns"]),
        ProviderName.FCM: hash_message(json.loads(given["fcm"])),
        ProviderName.WEBPUSH: _hash(given["webpush"]),
    }
    return FanOut(given["content"], {name: Body(fields={}, sha256=sha256) for name, sha256 in hashes.items()})


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
