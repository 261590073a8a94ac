"""The push services by their habits, and the hosts under which the big ones stand (docs/web-push.md#services)."""

from enum import Enum


class Service(Enum):
    """Whose habits an origin has: its words for errors, its rules for TTL. OTHER is RFC 8030 and nothing more."""

    MOZILLA = "mozilla"
    FCM = "fcm"
    APPLE = "apple"
    WNS = "wns"
    OTHER = "other"


# What Chromium writes in place of the host once a subscription is gone for good. The name can't exist (RFC 6761, 6.4).
REMOVED_HOST = "permanently-removed.invalid"

# RFC 8030 (section 5.4) gives topics the alphabet of base64url, and Apple decodes them: docs/web-push.md#options.
DECODES_TOPICS = frozenset({Service.APPLE})

# ``*.`` stands for one or more whole labels in front. android.googleapis.com (GCM) is dead and left out.
KNOWN_HOSTS: dict[str, Service] = {
    "fcm.googleapis.com": Service.FCM,
    "jmt17.google.com": Service.FCM,  # Chromium builds without Google's brand
    "*.push.services.mozilla.com": Service.MOZILLA,
    "*.push.apple.com": Service.APPLE,
    "*.notify.windows.com": Service.WNS,
}
