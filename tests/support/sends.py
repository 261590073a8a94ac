"""Send requests as callers write them, and what becomes of them."""

from collections.abc import Sequence
from typing import Any

import msgspec

from protocol.chunks import Variant
from protocol.preparation import ApnsFacts, AppFacts, Columns, FcmFacts, Preparation, Rejection
from protocol.send import BatchEnvelope, BatchLimits, decode_batch, decode_rows

ACCEPTED_AT_MS = 1_780_000_000_000
TOKEN = "9f" * 32
SHOP = AppFacts(name="shop", apns=ApnsFacts(topic="com.example.shop", environment="production", token_auth=True))
FCM_SHOP = AppFacts(name="shop", apns=SHOP.apns, fcm=FcmFacts(project_id="shop-1"))


class PreparedRow(msgspec.Struct, frozen=True):
    """One place of all columns."""

    index: int
    lane: str
    queue: int
    destination: bytes
    body: bytes
    variant: Variant
    id: str | None
    track: bytes | None
    cancel_keys: Sequence[str] | None


def read_rows(columns: Columns) -> list[PreparedRow]:
    """Return prepared rows one by one, as tests look at them."""
    return [
        PreparedRow(
            columns.indexes[at],
            columns.lanes[at],
            columns.plans[at].queue,
            columns.destinations[at],
            columns.bodies[at],
            columns.plans[at].variant,
            columns.ids[at],
            columns.tracks[at],
            columns.cancel_keys[at],
        )
        for at in range(len(columns))
    ]


def encode_send(**fields: Any) -> bytes:
    """Return the msgpack body of a ``send`` frame for the app ``shop``."""
    return msgspec.msgpack.encode({"op": "send", "app": "shop"} | fields)


def open_send(**fields: Any) -> BatchEnvelope:
    """Return the opened batch of a ``send``. Raises RequestError."""
    return decode_batch(encode_send(**fields), BatchLimits())


def prepare(facts: AppFacts = SHOP, **fields: Any) -> tuple[list[PreparedRow], list[Rejection]]:
    """Return the rows of a ``send``, accepted at ACCEPTED_AT_MS, and its rejections."""
    envelope = open_send(**fields)
    preparation = Preparation(envelope, facts, ACCEPTED_AT_MS)
    columns, rejections = preparation.prepare_slice(decode_rows(envelope, 0, len(envelope)), 0)
    return read_rows(columns), rejections


def prepare_one(facts: AppFacts = SHOP, **notification: Any) -> PreparedRow | Rejection:
    """Return what becomes of a single notification to TOKEN; ``to`` may name another address."""
    notification = {"to": {"apns": {"token": TOKEN}}} | notification
    prepared, rejections = prepare(facts, notifications=[notification])
    return (prepared or rejections)[0]


def headers_of(row: PreparedRow | Rejection) -> dict[str, str]:
    """Return the provider headers of a row by name."""
    assert isinstance(row, PreparedRow), row
    return {name.decode(): value.decode() for name, value in row.variant.headers}


def prepare_fcm(**notification: Any) -> PreparedRow | Rejection:
    """Return what becomes of a single notification to an FCM token; ``to`` may name another address."""
    return prepare_one(FCM_SHOP, **{"to": {"fcm": {"token": "c8:x"}}} | notification)
