"""What `pushmill send` does, without a terminal: lines of a file to notifications, sent, and what became of each."""

from gateway.cli.sending.moments import parse_moment
from gateway.cli.sending.notification_lines import (
    HeaderError,
    LineFault,
    Lines,
    SourceLine,
    check_notification,
    read_csv,
    read_ndjson,
)
from gateway.cli.sending.open_rows import RowOut
from gateway.cli.sending.run import Sending, Totals
from gateway.cli.sending.text_lines import read_lines

__all__ = [
    "HeaderError",
    "LineFault",
    "Lines",
    "RowOut",
    "Sending",
    "SourceLine",
    "Totals",
    "check_notification",
    "parse_moment",
    "read_csv",
    "read_lines",
    "read_ndjson",
]
