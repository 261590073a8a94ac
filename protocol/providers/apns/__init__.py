"""APNs: what may be sent, how a request is built, and what every answer means."""

from protocol.providers.apns.facts import ApnsFacts, covers_topic
from protocol.providers.apns.provider_ids import PREFIX_BYTES, provider_id
from protocol.providers.apns.request_building import build_requests
from protocol.providers.apns.responses import classify, classify_goaway

__all__ = ["PREFIX_BYTES", "ApnsFacts", "build_requests", "classify", "classify_goaway", "covers_topic", "provider_id"]
