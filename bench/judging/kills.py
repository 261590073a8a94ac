"""The kills of a run: when they were, what each gateway had in flight, and how many requests each cost a second time.

A gateway that is killed can't know what became of the requests it had sent: those it sends again. How many these may be
is bounded (design, P3): the streams in flight at the kill, and what was answered within one flush interval before it,
which the gateway may not have read and committed yet. Both are counted in the providers' ledgers; the gateway is not
asked.

Its lives are told apart by their connections: what a gateway wrote may be read from the wire after it was killed, but
on a connection that began before.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import msgspec

from bench.judging.arrivals import Arrival
from bench.judging.cases import Case
from bench.judging.history import read_records

FLUSH_SECONDS = 0.3
"""From a provider's answer to its commit: reading it, 5 ms for company (delivery.settle_delay_seconds), one commit.

At most 25 ms were seen where the demo has two cores to itself, 173 ms at a load of 6. The rest is for more of that.
"""


class Kill(msgspec.Struct, frozen=True, kw_only=True):
    """One kill; moments in UNIX milliseconds."""

    at: int
    """Just before SIGKILL was sent."""
    restarted_at: int
    """When the next gateway was started: a second before it can have a connection."""
    ready_at: int
    """When that one listened."""


class Toll(msgspec.Struct, frozen=True, kw_only=True):
    """What one kill came to, in requests."""

    in_flight: int
    """Those the providers had, or were still to read, and had not answered."""
    just_answered: int
    """Those answered within a flush interval before."""
    sent_again: int
    left_unknown: int
    """Those whose notification ended as unknown, as it asked to."""
    oldest_ms: int
    """How long before the kill the oldest of the last two had been answered; 0: none had been."""
    restart_seconds: float
    """How long nobody listened."""

    @property
    def bound(self) -> int:
        """How many the gateway may have been uncertain of."""
        return self.in_flight + self.just_answered

    @property
    def is_within_bound(self) -> bool:
        """Whether it was uncertain of no more."""
        return self.sent_again + self.left_unknown <= self.bound


def write_kills(path: Path, kills: Sequence[Kill]) -> None:
    """Write all of them, NDJSON."""
    path.write_bytes(msgspec.json.Encoder().encode_lines(kills))


def read_kills(path: Path) -> list[Kill]:
    """Read what was written; nothing where there is none."""
    return read_records(path, Kill)


def number_lives(arrivals: Iterable[Arrival], kills: Sequence[Kill]) -> list[Arrival]:
    """Return one provider's arrivals, each with the life of the gateway that it came from."""
    arrivals = list(arrivals)
    begun: dict[int, int] = {}
    for arrival in arrivals:
        begun[arrival.session] = min(arrival.at, begun.get(arrival.session, arrival.at))
    starts = [kill.restarted_at for kill in kills]
    lives = {session: bisect_right(starts, at) for session, at in begun.items()}
    return [msgspec.structs.replace(arrival, life=lives[arrival.session]) for arrival in arrivals]


def count_tolls(cases: Iterable[Case], kills: Sequence[Kill]) -> list[Toll]:
    """Return what each kill came to."""
    cases = list(cases)
    return [_count_toll(cases, life, kill) for life, kill in enumerate(kills)]


def _count_toll(cases: Sequence[Case], life: int, kill: Kill) -> Toll:
    last = [arrival for case in cases for arrival in case.processed if arrival.life == life]
    flush_from = kill.at - FLUSH_SECONDS * 1000
    again = [arrival for case in cases for arrival in find_cut(case) if arrival.life == life]
    unknown = [case.processed[-1] for case in cases if case.is_unknown and case.processed]
    left = [arrival for arrival in unknown if arrival.life == life]
    return Toll(
        in_flight=sum(arrival.settled_at >= kill.at for arrival in last),
        just_answered=sum(flush_from <= arrival.settled_at < kill.at for arrival in last),
        sent_again=len(again),
        left_unknown=len(left),
        oldest_ms=max((max(0, kill.at - arrival.settled_at) for arrival in again + left), default=0),
        restart_seconds=(kill.ready_at - kill.at) / 1000,
    )


def find_cut(case: Case) -> Iterator[Arrival]:
    """Yield the processed requests of a notification that a later gateway sent again, for want of a final word."""
    for earlier, later in pairwise(case.processed):
        if earlier.life < later.life and not earlier.asks_for_repeat:
            yield earlier
