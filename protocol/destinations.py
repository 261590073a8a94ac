"""Where a notification was sent to, in the words of its caller: from what chunks store, and the lane.

APNs tokens come back in lower-case hex, whatever they came in; all else as it was written.
"""

from protocol.lanes import get_provider, is_broadcast
from protocol.providers.fcm.addresses import split_destination
from protocol.providers.webpush.destinations import unpack_destination


def name_destination(lane: str, destination: bytes) -> str:
    """Return a stored destination as a device token, an FCM token, or a Web Push endpoint. Raises ValueError."""
    match get_provider(lane):
        case "fcm":
            return split_destination(destination)[1].decode()
        case "webpush":
            origin = lane.split("/", maxsplit=2)[2]
            return origin + unpack_destination(destination).path.decode()
        case _:
            return destination.decode() if is_broadcast(lane) else destination.hex()
