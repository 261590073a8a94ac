"""What the demo sends: notifications made from a seed, the same ones in every run.

Every destination is unique. Of a hundred one is a dead device token, which the scenario knows by its first digits, and
of two hundred one is no device token at all, which the gateway has to refuse. Payloads are spelled as no JSON encoder
would spell them (blanks, an escape, umlauts as they are): a gateway that decodes and encodes them is found out.
"""

import random
from collections.abc import Iterator
from enum import StrEnum
from itertools import islice

import msgspec

APP = "shop"
"""The gateway's only app."""
LEAST_PAYLOAD_BYTES = 200
MOST_PAYLOAD_BYTES = 4_000
DEAD_PREFIX = "dead"
"""First digits of dead device tokens, in scenario.toml too."""

_ROWS_PER_DEAD = 100
_ROWS_PER_MALFORMED = 200
_TOKEN_BYTES = 32
_PROSE_BYTES = 64 * 1024
_WORDS = (
    *("parcel", "order", "courier", "today", "tomorrow", "between", "window", "door", "neighbour", "signature"),
    *(
        "the",
        "a",
        "your",
        "our",
        "is",
        "was",
        "will",
        "arrive",
        "leave",
        "wait",
        "and",
        "or",
        "with",
        "without",
        "near",
    ),
)
_HEAD = '{ "aps" : { "alert" : { "title" : "Gr\\u00f6\u00dfe %d \u2713", "body" : "'
_TAIL = '" }, "sound" : "default" }, "order" : %d }'


class Kind(StrEnum):
    """What is to become of a notification."""

    LIVE = "live"
    DEAD = "dead"
    MALFORMED = "malformed"


class PlannedNotification(msgspec.Struct, frozen=True):
    """One notification as it is to be sent; ``payload`` are the exact bytes the provider must receive."""

    id: str
    kind: Kind
    token: str
    payload: bytes


class BatchPlan(msgspec.Struct, frozen=True):
    """The notifications of one batch, in the order of their indexes."""

    batch_id: str
    notifications: list[PlannedNotification]


def plan_batches(count: int, seed: int, batch_size: int) -> Iterator[BatchPlan]:
    """Yield ``count`` notifications in batches of ``batch_size``, the last one perhaps smaller."""
    notifications = plan_notifications(count, seed)
    number = 0
    while batch := list(islice(notifications, batch_size)):
        number += 1
        yield BatchPlan(f"demo-{seed}.{number}", batch)


def plan_notifications(count: int, seed: int) -> Iterator[PlannedNotification]:
    """Yield ``count`` notifications."""
    source = random.Random(seed)
    prose = _write_prose(source)
    for number in range(count):
        kind = _kind_of(number)
        yield PlannedNotification(f"n{number}", kind, _make_token(source, kind), _make_payload(source, prose, number))


def _kind_of(number: int) -> Kind:
    """Spread the kinds evenly, so that their shares hold for small runs too."""
    if number % _ROWS_PER_DEAD == _ROWS_PER_DEAD // 2:
        return Kind.DEAD
    if number % _ROWS_PER_MALFORMED == _ROWS_PER_MALFORMED // 4 + 1:
        return Kind.MALFORMED
    return Kind.LIVE


def _make_token(source: random.Random, kind: Kind) -> str:
    digits = source.randbytes(_TOKEN_BYTES).hex()
    match kind:
        case Kind.LIVE:
            return f"{source.randrange(10)}{digits[1:]}"  # never begins like a dead one
        case Kind.DEAD:
            return f"{DEAD_PREFIX}{digits[len(DEAD_PREFIX) :]}"
        case Kind.MALFORMED:
            return source.choice((digits[1:], f"token-{digits}", f"{digits[:20]} {digits[21:]}", digits * 7))


def _write_prose(source: random.Random) -> str:
    """Return text to cut bodies from: drawing each body letter by letter would cost more than sending it."""
    words = source.choices(_WORDS, k=_PROSE_BYTES // 3)
    return " ".join(words)[:_PROSE_BYTES]


def _make_payload(source: random.Random, prose: str, number: int) -> bytes:
    """Return a JSON object of 200 to 4,000 bytes; small ones are more frequent, as they are in practice."""
    size = round(LEAST_PAYLOAD_BYTES * (MOST_PAYLOAD_BYTES / LEAST_PAYLOAD_BYTES) ** source.random())
    head, tail = (_HEAD % (36 + number % 12)).encode(), (_TAIL % number).encode()
    length = size - len(head) - len(tail)
    start = source.randrange(len(prose) - length)
    return head + prose[start : start + length].encode() + tail
