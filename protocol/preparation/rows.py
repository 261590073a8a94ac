"""What preparation needs to know of an app, and what comes out of it for each row."""

import msgspec

from protocol.chunks import Variant
from protocol.providers.apns.facts import ApnsFacts
from protocol.providers.fcm.facts import FcmFacts
from protocol.providers.webpush.facts import WebPushFacts


class AppFacts(msgspec.Struct, frozen=True, kw_only=True):
    """An app by name, with what is configured for each provider (None: nothing is)."""

    name: str
    apns: ApnsFacts | None = None
    fcm: FcmFacts | None = None
    webpush: WebPushFacts | None = None


class PreparedRow(msgspec.Struct, frozen=True, gc=False):
    """A row ready to be stored. ``lane``, ``body`` and ``variant`` are the same objects in rows that share them.

    ``destination`` is an APNs device token's bytes, a channel id, FCM's ``kind:value``, or a Web Push subscription's
    keys and path; ``queue`` is 0 urgent, 1 normal, 2 bulk.
    """

    index: int
    lane: str
    queue: int
    destination: bytes
    body: bytes
    variant: Variant
    id: str | None = None
    track: bytes | None = None
    cancel_keys: list[str] | None = None
