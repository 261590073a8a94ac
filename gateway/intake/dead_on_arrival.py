"""Rows that are rejected because their destination is gone for good: the dead tokens tell of them as of any other.

A subscription can say so itself, and is then never sent to. Whoever cleans a token table reads one feed, not two.
"""

from collections.abc import Iterable

from gateway.journal.engine import DeadOnArrival
from protocol.chunks import pack_ranges
from protocol.rejections import DeadDestination, Rejection


def gather_dead(rejections: Iterable[Rejection], accepted_at_ms: int) -> list[DeadOnArrival]:
    """Return the dead destinations among rejected rows of one slice, in columns, a block for each provider.

    A slice bounds a block as a chunk bounds those of results. Where nothing tells since when one is dead it is since
    ``accepted_at_ms``.
    """
    by_provider: dict[str, list[tuple[Rejection, DeadDestination]]] = {}
    for rejection in rejections:
        if rejection.dead is not None:
            by_provider.setdefault(rejection.dead.provider, []).append((rejection, rejection.dead))
    return [
        DeadOnArrival(
            provider=provider,
            indexes=pack_ranges([rejection.index for rejection, _ in found]),
            ids=[rejection.id for rejection, _ in found],
            destinations=[dead.destination for _, dead in found],
            dead_since_ms=[accepted_at_ms if dead.since_ms is None else dead.since_ms for _, dead in found],
        )
        for provider, found in by_provider.items()
    ]
