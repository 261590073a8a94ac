"""The caller's side of the socket door, small enough to be copied into a backend."""

from gateway.caller.caller import SocketCaller, open_caller, talk_over
from gateway.caller.errors import BatchRefusedError, CallerError, ConnectError, ConnectionLostError, RefusedError
from gateway.caller.moments import parse_moment
from gateway.caller.notification_lines import (
    HeaderError,
    LineFault,
    SourceLine,
    check_notification,
    read_csv,
    read_ndjson,
)
from gateway.caller.open_rows import RowOut
from gateway.caller.sending import Sending, Totals
from gateway.caller.steady import SteadyCaller, open_steady_caller
from gateway.caller.subscription import Subscription
from gateway.caller.text_lines import read_lines

__all__ = [
    "BatchRefusedError",
    "CallerError",
    "ConnectError",
    "ConnectionLostError",
    "HeaderError",
    "LineFault",
    "RefusedError",
    "RowOut",
    "Sending",
    "SocketCaller",
    "SourceLine",
    "SteadyCaller",
    "Subscription",
    "Totals",
    "check_notification",
    "open_caller",
    "open_steady_caller",
    "parse_moment",
    "read_csv",
    "read_lines",
    "read_ndjson",
    "talk_over",
]
