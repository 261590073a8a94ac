"""The push types as APNs knows them (docs/apns.md#push-types), typed from Apple's pages, not the gateway's table."""

from typing import Literal

import msgspec

LARGEST_PAYLOAD_BYTES = 4096
LARGEST_VOIP_PAYLOAD_BYTES = 5120

_ANY_PRIORITY = frozenset((b"10", b"5", b"1"))


class PushType(msgspec.Struct, frozen=True, kw_only=True):
    """What a push type demands of topic, priority, size and credential."""

    topic_suffix: bytes = b""
    priorities: frozenset[bytes] = _ANY_PRIORITY
    largest_payload_bytes: int = LARGEST_PAYLOAD_BYTES
    allowed_with: Literal["both", "token", "certificate"] = "both"


PUSH_TYPES = {
    b"alert": PushType(),
    b"background": PushType(priorities=frozenset((b"5",))),
    b"voip": PushType(topic_suffix=b".voip", largest_payload_bytes=LARGEST_VOIP_PAYLOAD_BYTES),
    b"complication": PushType(topic_suffix=b".complication"),
    b"fileprovider": PushType(topic_suffix=b".pushkit.fileprovider"),
    # The topic of an MDM push is the UID in the certificate's subject: no bundle id, and no suffix.
    b"mdm": PushType(allowed_with="certificate"),
    b"liveactivity": PushType(topic_suffix=b".push-type.liveactivity"),
    b"location": PushType(topic_suffix=b".location-query", allowed_with="token"),
    b"pushtotalk": PushType(topic_suffix=b".voip-ptt"),
    b"controls": PushType(topic_suffix=b".push-type.controls"),
    b"widgets": PushType(topic_suffix=b".push-type.widgets"),
}
