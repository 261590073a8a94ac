"""Send requests as callers write them, and what becomes of them."""

from typing import Any

import msgspec

from protocol.preparation import ApnsFacts, AppFacts, FcmFacts, Preparation, PreparedRow, Rejection
from protocol.send import BatchEnvelope, BatchLimits, decode_batch, decode_rows

ACCEPTED_AT_MS = 1_780_000_000_000
TOKEN = "9f" * 32
SHOP = AppFacts(name="shop", apns=ApnsFacts(topic="com.example.shop", environment="production", token_auth=True))
FCM_SHOP = AppFacts(name="shop", apns=SHOP.apns, fcm=FcmFacts(project_id="shop-1"))


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
    return preparation.prepare_slice(decode_rows(envelope, 0, len(envelope)), 0)


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
