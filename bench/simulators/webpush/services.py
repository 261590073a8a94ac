"""Which service each listening port is, and how that one talks."""

from collections.abc import Mapping

from bench.simulators.webpush.endpoint_paths import ServiceName
from bench.simulators.webpush.habits import Apple, Fcm, Habits, Mozilla, Plain, Wns

HABITS: Mapping[ServiceName, Habits] = {
    "mozilla": Mozilla(),
    "fcm": Fcm(),
    "apple": Apple(),
    "wns": Wns(),
    "other": Plain(),
}
SERVICE_OF_ORIGIN: Mapping[str, ServiceName] = {
    "mozilla": "mozilla",
    "fcm": "fcm",
    "apple": "apple",
    "wns": "wns",
    "http1": "other",
}
"""By the name of a listening port. ``http1`` offers nothing newer, and has no habits of its own."""
