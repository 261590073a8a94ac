"""The caller's side of the socket door, small enough to be copied into a backend."""

from gateway.caller.caller import SocketCaller, open_caller
from gateway.caller.errors import BatchRefusedError, CallerError, ConnectError, ConnectionLostError, RefusedError
from gateway.caller.subscription import Subscription

__all__ = [
    "BatchRefusedError",
    "CallerError",
    "ConnectError",
    "ConnectionLostError",
    "RefusedError",
    "SocketCaller",
    "Subscription",
    "open_caller",
]
