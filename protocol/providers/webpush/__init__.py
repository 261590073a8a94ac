"""Web Push: who may be sent to, what a request is before and after encryption, and what every answer means."""

from protocol.providers.webpush.addresses import AddressPolicy
from protocol.providers.webpush.destinations import Recipient, pack_destination, unpack_destination
from protocol.providers.webpush.endpoints import Endpoint, EndpointPolicy, make_origin, split_origin
from protocol.providers.webpush.facts import WebPushFacts
from protocol.providers.webpush.payload import PADDING_BUCKETS_BYTES, PLAINTEXT_LIMIT_BYTES, padding_bytes
from protocol.providers.webpush.receipts import Receipt, read_receipt
from protocol.providers.webpush.request_building import (
    build_requests,
    choose_ttl,
    get_plaintexts,
    get_public_key,
    get_recipients,
)
from protocol.providers.webpush.responses import classify
from protocol.providers.webpush.services import Service
from protocol.providers.webpush.subscriptions import Subscription, is_point, read_subscription

__all__ = [
    "PADDING_BUCKETS_BYTES",
    "PLAINTEXT_LIMIT_BYTES",
    "AddressPolicy",
    "Endpoint",
    "EndpointPolicy",
    "Receipt",
    "Recipient",
    "Service",
    "Subscription",
    "WebPushFacts",
    "build_requests",
    "choose_ttl",
    "classify",
    "get_plaintexts",
    "get_public_key",
    "get_recipients",
    "is_point",
    "make_origin",
    "pack_destination",
    "padding_bytes",
    "read_receipt",
    "read_subscription",
    "split_origin",
    "unpack_destination",
]
