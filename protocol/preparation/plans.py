"""What rows have in common beside their body: the same objects for rows that ask for the same."""

import msgspec

from protocol.chunks import Variant
from protocol.send.fields import Defaults
from protocol.timing import Timing

QUEUES = {"urgent": 0, "normal": 1, "bulk": 2}
QUEUE_OF_URGENCY = {"high": 0, "normal": 1, "low": 2, None: 1}


class Plan(msgspec.Struct, frozen=True):
    """How rows are carried. A provider may add what it needs to make their bodies."""

    variant: Variant
    queue: int


def choose_queue(wanted: Defaults) -> int:
    """Return the number of the queue: the one asked for, else by urgency."""
    return QUEUE_OF_URGENCY[wanted.urgency] if wanted.queue is None else QUEUES[wanted.queue]


def make_variant(
    timing: Timing, headers: tuple[tuple[bytes, bytes], ...], wanted: Defaults, account: str = ""
) -> Variant:
    """Return what rows with these times, header fields and options have in common in a chunk."""
    return Variant(
        expires_at_ms=timing.expires_at_ms,
        headers=headers,
        not_before_ms=timing.not_before_ms,
        report_unknown=wanted.on_unknown == "report",
        single_try=timing.single_try,
        account=account,
    )
