"""The push types of APNs: topic, priorities, payload limit and authentication of each (docs/apns.md#push-types)."""

from typing import Literal

import msgspec

PAYLOAD_LIMIT_BYTES = 4096
VOIP_PAYLOAD_LIMIT_BYTES = 5120
BROADCAST_PAYLOAD_LIMIT_BYTES = 5120
LARGEST_PAYLOAD_BYTES = max(PAYLOAD_LIMIT_BYTES, VOIP_PAYLOAD_LIMIT_BYTES, BROADCAST_PAYLOAD_LIMIT_BYTES)


class PushType(msgspec.Struct, frozen=True, kw_only=True):
    """One value of ``apns-push-type``.

    ``topic_suffix`` follows the bundle id in ``apns-topic``; None where the topic isn't made from the bundle id, so the
    caller must give it. ``priorities`` are those Apple states for it, the usual one first; ``has_strict_priorities``
    says that APNs refuses others. ``only_with`` names the one authentication that may send it.
    """

    name: str
    topic_suffix: str | None
    priorities: tuple[int, ...] = (10, 5)
    has_strict_priorities: bool = False
    payload_limit_bytes: int = PAYLOAD_LIMIT_BYTES
    only_with: Literal["token", "certificate"] | None = None

    def priority_for(self, urgency: str | None) -> int:
        """Return the stated priority nearest to an urgency; without one, the usual one of the type."""
        if urgency is None:
            return self.priorities[0]
        wanted = 10 if urgency == "high" else 5
        return wanted if wanted in self.priorities else self.priorities[0]


ALERT = PushType(name="alert", topic_suffix="")
BACKGROUND = PushType(name="background", topic_suffix="", priorities=(5,), has_strict_priorities=True)
LIVE_ACTIVITY = PushType(
    name="liveactivity", topic_suffix=".push-type.liveactivity", priorities=(10, 5), has_strict_priorities=True
)
VOIP = PushType(name="voip", topic_suffix=".voip", priorities=(10,), payload_limit_bytes=VOIP_PAYLOAD_LIMIT_BYTES)

PUSH_TYPES: dict[str, PushType] = {
    push_type.name: push_type
    for push_type in (
        ALERT,
        BACKGROUND,
        LIVE_ACTIVITY,
        VOIP,
        PushType(name="complication", topic_suffix=".complication"),
        PushType(name="fileprovider", topic_suffix=".pushkit.fileprovider"),
        # The topic is the UID of the MDM push certificate's subject: the app's topic as it is configured.
        PushType(name="mdm", topic_suffix="", priorities=(10,), only_with="certificate"),
        PushType(name="location", topic_suffix=".location-query", only_with="token"),
        PushType(name="pushtotalk", topic_suffix=".voip-ptt", priorities=(10,)),
        PushType(name="controls", topic_suffix=".push-type.controls"),
        PushType(name="widgets", topic_suffix=".push-type.widgets"),
    )
}
# What tells a topic made from a bundle id from the bundle id itself.
TOPIC_SUFFIXES = tuple(push_type.topic_suffix for push_type in PUSH_TYPES.values() if push_type.topic_suffix)


def get_push_type(name: str) -> PushType:
    """Return what is known of a push type; Apple's own pages write some with capitals (``LiveActivity``).

    Apple adds types: an unknown one is sent with the caller's own topic.
    """
    return PUSH_TYPES.get(name) or PUSH_TYPES.get(name.lower()) or PushType(name=name, topic_suffix=None)
