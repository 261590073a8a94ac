"""One history of a gateway that was killed and started again, and what it breaks of its promises. Pure.

On one side stands what the caller submitted, was told and read; on the other what the simulator received. Each
notification has a destination of its own, so both sides name it alike.

- *lost*: accepted, and without a result in the end.
- *ended twice*: results that differ in anything for one notification. (The same one may be read twice: at least once
  by cursor.)
- *never submitted*: a destination at the simulator, or a result, that nobody asked for.
- *untold*: a result says that the provider took it, and the provider did not.
- *answered otherwise*: the same batch again got another answer than the first time.
- *repeated*: a destination that was processed again. Without an answer, it may; with one, only a kill in between may
  cause it, and how many it may cause is for the test to say. What was asked to be reported instead (``on_unknown``)
  must never be.
"""

import bisect
import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

import msgspec

from bench.simulators.apns import ApnsLedgerEntry
from protocol.results import Result

Key = tuple[str, int]


class SubmittedBatch(msgspec.Struct, frozen=True, kw_only=True):
    """A batch as it was sent, perhaps more than once: the destination of each index."""

    batch_id: str
    destinations: tuple[str, ...]
    reports_unknown: bool


class KillMoment(msgspec.Struct, frozen=True, kw_only=True):
    """A kill: where it struck, when (UNIX milliseconds) it was seen, and the number of the last session before it."""

    point: str
    at_ms: int
    session: int


class History(msgspec.Struct, kw_only=True):
    """Everything in the order in which it was noted."""

    submitted: dict[str, SubmittedBatch] = {}
    answers: list[tuple[str, int]] = []
    """(batch, accepted), once for each time that it was told."""
    results: list[Result] = []
    kills: list[KillMoment] = []
    ledger: Sequence[ApnsLedgerEntry] = ()


class Findings(msgspec.Struct, frozen=True, kw_only=True):
    """What was found; every list but ``repeated_by_kill`` should be empty."""

    accepted: int
    results_read_again: int
    lost: list[Key]
    ended_twice: list[Key]
    never_submitted: list[str]
    untold: list[Key]
    answered_otherwise: list[str]
    repeated_by_kill: list[int]
    """How many requests each kill caused to be sent again."""
    oldest_repeat_ms: int
    """How long before a kill the oldest request that it caused to be sent again had been received."""
    repeated_without_kill: list[Key]
    repeated_though_reported: list[Key]

    def failures(self) -> Iterator[str]:
        """Yield a line for each promise that is broken."""
        for name in ("lost", "ended_twice", "never_submitted", "untold", "answered_otherwise"):
            if found := getattr(self, name):
                yield f"{len(found)} {name.replace('_', ' ')}: {found[:3]}"
        for name in ("repeated_without_kill", "repeated_though_reported"):
            if found := getattr(self, name):
                yield f"{len(found)} {name.replace('_', ' ')}: {found[:3]}"


def judge(history: History) -> Findings:
    """Compare both sides."""
    key_of = {
        destination: (batch.batch_id, index)
        for batch in history.submitted.values()
        for index, destination in enumerate(batch.destinations)
    }
    accepted = {
        (batch_id, index)
        for batch_id, _ in history.answers
        for index in range(len(history.submitted[batch_id].destinations))
    }
    results = _group_by_key(history.results)
    arrivals: defaultdict[Key, list[ApnsLedgerEntry]] = defaultdict(list)
    for entry in history.ledger:
        if entry.destination in key_of and entry.processed:
            arrivals[key_of[entry.destination]].append(entry)
    ages, unexplained = _explain(arrivals, history.kills)
    return Findings(
        accepted=len(accepted),
        results_read_again=sum(len(each) - 1 for each in results.values()),
        lost=sorted(accepted - results.keys()),
        ended_twice=sorted(key for key, each in results.items() if any(other != each[0] for other in each)),
        never_submitted=[entry.destination for entry in history.ledger if entry.destination not in key_of]
        + [f"{batch_id}[{index}]" for batch_id, index in results.keys() - accepted],
        untold=sorted(
            key
            for key, each in results.items()
            if each[0].outcome == "provider_accepted" and all(entry.status != 200 for entry in arrivals[key])
        ),
        answered_otherwise=_find_other_answers(history),
        repeated_by_kill=[len(each) for each in ages],
        oldest_repeat_ms=max(itertools.chain.from_iterable(ages), default=0),
        repeated_without_kill=unexplained,
        repeated_though_reported=[
            key for key, each in arrivals.items() if len(each) > 1 and history.submitted[key[0]].reports_unknown
        ],
    )


def _group_by_key(results: Iterable[Result]) -> dict[Key, list[Result]]:
    groups: defaultdict[Key, list[Result]] = defaultdict(list)
    for result in results:
        groups[result.batch_id, result.index].append(result)
    return dict(groups)


def _explain(
    arrivals: dict[Key, list[ApnsLedgerEntry]], kills: Sequence[KillMoment]
) -> tuple[list[list[int]], list[Key]]:
    """Return the ages of the repeats that each kill explains, and what is repeated without one.

    Sessions tell the lives of a gateway apart: what it sent may be read from the wire after its end was seen.
    """
    last_sessions = [kill.session for kill in kills]
    ages: list[list[int]] = [[] for _ in kills]
    unexplained: list[Key] = []
    for key, entries in arrivals.items():
        for earlier, later in pairwise(sorted(entries, key=lambda entry: entry.at)):
            at = bisect.bisect_left(last_sessions, earlier.session)
            if at < len(kills) and last_sessions[at] < later.session:
                ages[at].append(max(0, kills[at].at_ms - earlier.at))
            elif earlier.status is not None:
                unexplained.append(key)
    return ages, unexplained


def _find_other_answers(history: History) -> list[str]:
    first: dict[str, int] = {}
    others = {name for name, accepted in history.answers if first.setdefault(name, accepted) != accepted}
    return sorted(others)
