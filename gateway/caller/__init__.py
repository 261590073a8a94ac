"""The caller's side of the socket door, small enough to be copied into a backend."""

from gateway.caller.caller import SocketCaller, open_caller, talk_over
from gateway.caller.errors import BatchRefusedError, CallerError, ConnectError, ConnectionLostError, RefusedError
from gateway.caller.steady import SteadyCaller, open_steady_caller
from gateway.caller.subscription import Subscription

__all__ = [
    "BatchRefusedError",
    "CallerError",
    "ConnectError",
    "ConnectionLostError",
    "RefusedError",
    "SocketCaller",
    "SteadyCaller",
    "Subscription",
    "open_caller",
    "open_steady_caller",
    "talk_over",
]
