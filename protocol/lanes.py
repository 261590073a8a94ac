"""The keys of lanes: what fails together is named alike."""

from typing import Literal

PROVIDERS = ("apns", "fcm", "webpush")
ApnsEnvironment = Literal["production", "sandbox"]


def apns_lane(app: str, environment: ApnsEnvironment, *, broadcast: bool = False) -> str:
    """Return the lane of an app in one APNs environment; broadcasts to channels have a lane of their own."""
    return f"{app}/apns/{environment}/broadcast" if broadcast else f"{app}/apns/{environment}"


def webpush_lane(app: str, origin: str) -> str:
    """Return the lane of an app at one Web Push origin (``https://host``, or with a port that isn't 443)."""
    return f"{app}/webpush/{origin}"


def get_provider(lane: str) -> str:
    """Return the provider of a lane, as results name it."""
    return lane.split("/", maxsplit=2)[1]


def is_broadcast(lane: str) -> bool:
    """Whether a lane carries APNs broadcasts."""
    return lane.endswith("/broadcast")


def fcm_lane(app: str, project_id: str, *, topics: bool = False) -> str:
    """Return the lane of an app in one FCM project; topics and conditions, sent one at a time, have their own."""
    return f"{app}/fcm/{project_id}/topics" if topics else f"{app}/fcm/{project_id}"


def is_topics(lane: str) -> bool:
    """Whether a lane carries FCM messages to topics and conditions."""
    return lane.split("/")[3:] == ["topics"]  # a project may have any name
