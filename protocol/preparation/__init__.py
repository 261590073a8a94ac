"""From decoded rows to rows that can be stored and sent: checks, rendering, headers. Pure."""

from protocol.preparation.accounts import find_missing
from protocol.preparation.preparation import Preparation
from protocol.preparation.rows import AppFacts, PreparedRow
from protocol.providers.apns.facts import ApnsFacts
from protocol.providers.fcm.facts import FcmFacts
from protocol.providers.webpush.facts import WebPushFacts
from protocol.rejections import Rejection

__all__ = [
    "ApnsFacts",
    "AppFacts",
    "FcmFacts",
    "Preparation",
    "PreparedRow",
    "Rejection",
    "WebPushFacts",
    "find_missing",
]
