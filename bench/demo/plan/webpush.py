"""What goes to Web Push services: to subscriptions that the simulator made, each for one of two VAPID keys.

Payloads are JSON, other bytes, or none at all, which no other provider takes. Which subscriptions are dead follows from
the share that the scenario chooses, the same ones for everybody who asks.
"""

import hashlib
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from bench.demo.plan.notifications import Address, Body, choose_kind
from bench.demo.plan.prose import Prose
from bench.judging.history import Kind, ProviderName
from bench.simulators.server import is_chosen_destination

DEAD_SHARE = 0.01
"""Share of dead subscriptions, in scenarios/webpush.toml too."""
DEFAULT_VAPID_KEY = "first"
"""The key whose subscriptions don't name it."""
# What fits into one record of 4,096 bytes is 3,993 (RFC 8291 section 4).
MOST_PAYLOAD_BYTES = 3_993

_ROWS_PER_EMPTY = 50
_ROWS_PER_BINARY = 5
_HEAD = '{ "title" : "Gr\\u00f6\u00dfe %d \u2713", "body" : "'
_TAIL = '", "order" : %d }'

Spoiler = Callable[[dict[str, Any]], None]


class SubscriptionLine(msgspec.Struct, frozen=True):
    """What a line of the simulator's file holds: a subscription as a browser gives it, and the id of its VAPID key."""

    vapid_key: str
    subscription: dict[str, Any]


def read_subscriptions(path: Path) -> Iterator[SubscriptionLine]:
    """Yield the subscriptions of a file. Raises msgspec.DecodeError for a line that is none."""
    decoder = msgspec.json.Decoder(dict[str, dict[str, dict[str, Any]]])
    with path.open("rb") as lines:
        for line in lines:
            subscription = decoder.decode(line)["to"]["webpush"]
            yield SubscriptionLine(vapid_key=subscription.pop("vapid_key"), subscription=subscription)


class WebPushPlanner:
    """See :class:`Planner`. Takes a subscription for each address: there must be enough of them."""

    provider = ProviderName.WEBPUSH

    def __init__(self, source: random.Random, prose: Prose, subscriptions: Iterator[SubscriptionLine]) -> None:
        self._source = source
        self._prose = prose
        self._subscriptions = subscriptions

    def make_address(self, number: int) -> Address:
        """Return a subscription, or what is none any more."""
        line = next(self._subscriptions)
        to = {**line.subscription, "keys": dict(line.subscription["keys"])}
        if line.vapid_key != DEFAULT_VAPID_KEY:
            to["vapid_key"] = line.vapid_key
        destination = _find_path(to["endpoint"])
        if choose_kind(number) is Kind.MALFORMED:
            refusal, spoil = self._source.choice(_SPOILERS)
            spoil(to)
            return Address(kind=Kind.MALFORMED, to=to, destination=destination, refusal=refusal)
        is_dead = is_chosen_destination(destination, DEAD_SHARE)
        return Address(kind=Kind.DEAD if is_dead else Kind.LIVE, to=to, destination=destination)

    def make_body(self, number: int, address: Address) -> Body:
        """Return a plaintext, which the browser has to find byte for byte."""
        del address
        field, payload = self._make_payload(number)
        return Body(fields={field: payload}, sha256=hashlib.sha256(payload).hexdigest())

    def _make_payload(self, number: int) -> tuple[str, bytes]:
        if number % _ROWS_PER_EMPTY == _ROWS_PER_EMPTY // 3:
            return "payload_bytes", b""
        if number % _ROWS_PER_BINARY == _ROWS_PER_BINARY // 2:
            return "payload_bytes", self._source.randbytes(self._prose.choose_size(MOST_PAYLOAD_BYTES))
        return "payload_json", self._prose.fill(_HEAD % (36 + number % 12), _TAIL % number, MOST_PAYLOAD_BYTES)


def _find_path(endpoint: str) -> str:
    """Return path and query of an endpoint, as the ledger writes it."""
    return "/" + endpoint.split("/", maxsplit=3)[3]


def _leave_curve(to: dict[str, Any]) -> None:
    """Change y: it belongs to x no more."""
    key = to["keys"]["p256dh"]
    to["keys"]["p256dh"] = key[:-3] + ("B" if key[-3] == "A" else "A") + key[-2:]


def _cut_key(to: dict[str, Any]) -> None:
    to["keys"]["p256dh"] = to["keys"]["p256dh"][:-4]


def _cut_secret(to: dict[str, Any]) -> None:
    to["keys"]["auth"] = to["keys"]["auth"][:-4]


def _leave_encryption(to: dict[str, Any]) -> None:
    to["endpoint"] = to["endpoint"].replace("https://", "http://")


def _name_number(to: dict[str, Any]) -> None:
    to["endpoint"] = to["endpoint"].replace("localhost", "127.0.0.1")


def _name_stranger(to: dict[str, Any]) -> None:
    to["endpoint"] = to["endpoint"].replace("localhost", "push.example.com")


def _expire(to: dict[str, Any]) -> None:
    to["expirationTime"] = 1_000_000_000_000  # September 2001, in the milliseconds of browsers


_SPOILERS: tuple[tuple[str, Spoiler], ...] = (
    ("invalid_token", _leave_curve),
    ("invalid_token", _cut_key),
    ("invalid_token", _cut_secret),
    ("endpoint_not_allowed", _leave_encryption),
    ("endpoint_not_allowed", _name_number),
    ("endpoint_not_allowed", _name_stranger),
    ("dead_token", _expire),
)
