"""What preparation needs to know of an app."""

import msgspec

from protocol.providers.apns.facts import ApnsFacts
from protocol.providers.fcm.facts import FcmFacts
from protocol.providers.webpush.facts import WebPushFacts


class AppFacts(msgspec.Struct, frozen=True, kw_only=True):
    """An app by name, with what is configured for each provider (None: nothing is)."""

    name: str
    apns: ApnsFacts | None = None
    fcm: FcmFacts | None = None
    webpush: WebPushFacts | None = None
