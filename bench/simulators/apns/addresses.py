"""Whom a request addresses, by its path and headers."""

from bench.simulators.server import Request

DEVICE_PATH = b"/3/device/"
BROADCAST_PATH = b"/4/broadcasts/apps/"


def is_broadcast(request: Request) -> bool:
    """Tell whether a request goes to a channel."""
    return request.plain_path.startswith(BROADCAST_PATH)


def find_destination(request: Request) -> str:
    """Return the device token in lower case, or the channel id; empty when there is none."""
    if is_broadcast(request):
        return request.headers.get(b"apns-channel-id", b"").decode("ascii", "replace")
    if request.plain_path.startswith(DEVICE_PATH):
        return request.plain_path[len(DEVICE_PATH) :].decode("ascii", "replace").lower()
    return ""


def id_header(request: Request) -> bytes:
    """Return the name of the header that carries the request's id: broadcasts have their own."""
    return b"apns-request-id" if is_broadcast(request) else b"apns-id"
