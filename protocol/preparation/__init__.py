"""From decoded rows to columns of rows that can be stored and sent: checks, rendering, headers. Pure."""

from protocol.preparation.accounts import find_missing
from protocol.preparation.columns import Columns
from protocol.preparation.facts import AppFacts
from protocol.preparation.preparation import Preparation
from protocol.providers.apns.facts import ApnsFacts
from protocol.providers.fcm.facts import FcmFacts
from protocol.providers.webpush.facts import WebPushFacts
from protocol.rejections import Rejection

__all__ = [
    "ApnsFacts",
    "AppFacts",
    "Columns",
    "FcmFacts",
    "Preparation",
    "Rejection",
    "WebPushFacts",
    "find_missing",
]
