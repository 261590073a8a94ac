"""The keys of lanes: what fails together is named alike."""

from typing import Literal

ApnsEnvironment = Literal["production", "sandbox"]


def apns_lane(app: str, environment: ApnsEnvironment, *, broadcast: bool = False) -> str:
    """Return the lane of an app in one APNs environment; broadcasts to channels have a lane of their own."""
    return f"{app}/apns/{environment}/broadcast" if broadcast else f"{app}/apns/{environment}"


def webpush_lane(app: str, origin: str) -> str:
    """Return the lane of an app at one Web Push origin (``https://host``, or with a port that isn't 443)."""
    return f"{app}/webpush/{origin}"


def is_broadcast(lane: str) -> bool:
    """Whether a lane carries APNs broadcasts."""
    return lane.endswith("/broadcast")
