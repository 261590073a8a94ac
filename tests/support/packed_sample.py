"""Requests of every shape that intake knows, made from a fixed seed, and what is packed of each, in digests.

What is stored for a request must not change when only the way to it does: a journal is read by later versions, and a
row that is rejected today must not be sent tomorrow.
"""

import hashlib
from collections.abc import Iterator
from random import Random
from typing import Any

import msgspec

from tests.support.sends import ACCEPTED_AT_MS
from tests.support.webpush_sends import subscription

SEED = 20_260_101
REQUESTS = 120


def make_requests() -> Iterator[dict[str, Any]]:
    """Yield the requests, without ``op`` and ``app``."""
    for number in range(REQUESTS):
        yield _make_request(Random(SEED + number), number)


def digest(value: object) -> str:
    """Return what stands for a value in the record."""
    encoded = msgspec.json.encode(value, order="deterministic")
    return hashlib.blake2b(encoded, digest_size=8).hexdigest()


def _make_request(random: Random, number: int) -> dict[str, Any]:
    count = _pick(random, (1, 3, 17, 64, 65, 130, 251, 420))
    request: dict[str, Any] = {"batch_id": f"b{number}"}
    content = {"content": _content(random)}
    message = _pick(random, (content, content, content, content, {"payload_json": _PAYLOADS[0]}, {}))
    request |= message
    if _happens(random, 0.5):
        request["defaults"] = _options(random, 0.3) | ({"track": b"all"} if _happens(random, 0.2) else {})
    if _happens(random, 0.5):
        return request | {"targets": [_with_id(random, _target(random), row) for row in range(count)]}
    return request | {"notifications": [_notification(random, row) for row in range(count)]}


def _notification(random: Random, row: int) -> Any:
    if _happens(random, 0.01):
        return _pick(random, ({}, 7, {"to": 5}, {"to": {}, "colour": 1}, {"id": "x", "to": {"apns": {"tokn": "x"}}}))
    fields: dict[str, Any] = _with_id(random, {"to": _target(random)}, row)
    if _happens(random, 0.2):
        fields |= _options(random, 0.15)
    if _happens(random, 0.15):
        fields["content"] = _content(random)
    if _happens(random, 0.1):
        fields["payload_json"] = _pick(random, _PAYLOADS)
    if _happens(random, 0.03):
        fields["payload_bytes"] = bytes(_whole(random, 4200))
    if _happens(random, 0.05):
        fields["track"] = b"t" * _whole(random, 20)
    return fields


_PAYLOADS = (
    b'{"aps":{"alert":"x"}}',
    b'{"aps":{"content-available":1}}',
    b'{"message":{"notification":{"title":"t"},"android":{"ttl":"60s"}}}',
    b'{"message":{"data":{"a":"1"}}}',
    b'{"notification":{"title":"t"}}',
    b'{"aps":{"alert":"' + b"x" * 3900 + b'"}}',
    b'{"aps":{"alert":"' + b"x" * 5000 + b'"}}',
    b"{not json",
)


def _content(random: Random) -> dict[str, Any]:
    content: dict[str, Any] = {"title": f"Sale {_whole(random, 5)}"}
    if _happens(random, 0.3):
        content["body"] = "é" * _whole(random, 1500)
    if _happens(random, 0.2):
        content |= {"data": {"a": str(_whole(random, 9)), "b": "2"}, "badge": 3, "link": "https://shop.example/"}
    return content


def _target(random: Random) -> dict[str, Any]:
    kind = _whole(random, 100)
    if kind < 45:
        token = _pick(random, (f"{_whole(random, 2**48):064x}",) * 30 + ("zz", "abc", "ab cd", "9f" * 201))
        environment = _pick(random, ({}, {}, {}, {"environment": "sandbox"}))
        return {"apns": {"token": token, **environment}}
    if kind < 50:
        return {"apns": {"channel": _pick(random, ("dHN0LXNyY2gtY2hubA==", "x y", "ü"))}}
    if kind < 70:
        return {"fcm": {_pick(random, ("token", "fid")): _pick(random, ("c8:x", "c9:yy", 'q"'))}}
    if kind < 78:
        return {"fcm": _pick(random, ({"topic": "news"}, {"topic": "/x"}, {"condition": "'a' in topics"}, {}))}
    if kind < 97:
        return _browser(random)
    neither: dict[str, Any] = _pick(random, ({}, {"apns": {"token": "ab"}, "fcm": {"token": "x"}}, {"apns": {}}))
    return neither


def _browser(random: Random) -> dict[str, Any]:
    address: dict[str, Any] = dict(subscription()["webpush"])
    if _happens(random, 0.2):
        address["endpoint"] = _pick(
            random, ("https://web.push.apple.com/x", "https://10.0.0.1/x", "http://push.example/")
        )
    if _happens(random, 0.1):
        address["expirationTime"] = _pick(random, (None, "", ACCEPTED_AT_MS - 5, ACCEPTED_AT_MS + 5000.0, 7))
    if _happens(random, 0.05):
        address["keys"] = dict(address["keys"]) | {"auth": "AAAA"}
    return {"webpush": address}


def _with_id(random: Random, row: dict[str, Any], number: int) -> dict[str, Any]:
    if _happens(random, 0.5):
        return row | {"id": _pick(random, (f"n{number}",) * 40 + ("n0", "é" * 40))}
    return row


def _options(random: Random, likely: float) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, values in _OPTIONS.items():
        if _happens(random, likely):
            fields[name] = _pick(random, values)
    if "ttl" in fields and "expires_at" in fields and _happens(random, 0.7):
        del fields["ttl"]
    return fields


_OPTIONS: dict[str, tuple[Any, ...]] = {
    "ttl": (0, 60, 3600),
    "expires_at": (ACCEPTED_AT_MS + 60_000, ACCEPTED_AT_MS + 7_200_000),
    "not_before": (ACCEPTED_AT_MS - 5, ACCEPTED_AT_MS + 1000, ACCEPTED_AT_MS + 3_000_000),
    "urgency": ("high", "normal", "low"),
    "queue": ("urgent", "normal", "bulk"),
    "collapse": ("sale", "c" * 70),
    "cancel_keys": ([], ["k"], ["k", "l"], ["é" * 40]),
    "on_unknown": ("retry", "report"),
    "apns": ({"push_type": "background"}, {"priority": 5}, {"topic": "com.example.shop"}, {"collapse_id": "z" * 65}),
    "fcm": ({"priority": "high"}, {"collapse_key": "k"}, {"analytics_label": "a b"}, {"validate_only": True}),
    "webpush": ({"urgency": "low"}, {"topic": "t"}, {"declarative": True}, {"declarative": False}),
}


def _pick(random: Random, values: tuple[Any, ...]) -> Any:
    return values[_whole(random, len(values))]


def _whole(random: Random, below: int) -> int:
    return int(random.random() * below)


def _happens(random: Random, likely: float) -> bool:
    return random.random() < likely
