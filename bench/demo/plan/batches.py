"""The batches of a run: small ones in which the providers take turns, and in the first act one fan-out to all of them.

The fan-out is a third of the act, 10,000 targets at most: as many as a batch may have. The last act goes out in parts,
each of several batches: in the midst of each but the first the gateway is killed.
"""

import random
from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from math import ceil
from typing import Any

import msgspec

from bench.demo.plan.apns import ApnsPlanner
from bench.demo.plan.fan_out import read_fan_out
from bench.demo.plan.fcm import FcmPlanner
from bench.demo.plan.notifications import Body, PlannedNotification, Planner
from bench.demo.plan.prose import Prose
from bench.demo.plan.webpush import SubscriptionLine, WebPushPlanner
from bench.judging.history import ProviderName

FAN_OUT_PART = 3
MOST_FAN_OUT_TARGETS = 10_000
# More than the caller has senders: when a part's last batch goes out, others of it were answered, and some were not.
LEAST_BATCHES_OF_PART = 6
ROWS_PER_REPORTED = 10
"""One notification in so many of the last act is to be reported, not sent again, when its end is unknown."""


class BatchPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The notifications of one batch, in the order of their indexes."""

    batch_id: str
    notifications: list[PlannedNotification]
    content: dict[str, Any] | None = None
    """What all of them say, in a batch of targets."""
    is_last_act: bool = False


def plan_batches(
    count: int, seed: int, batch_size: int, subscriptions: Iterator[SubscriptionLine]
) -> Iterator[BatchPlan]:
    """Yield ``count`` notifications in batches of ``batch_size``, a smaller one perhaps, and one of targets.

    Every third one takes a subscription: the same seed sends the same only to the same subscriptions.
    """
    fan_out = read_fan_out()
    numbered = _number(_make_planners(str(seed), subscriptions))
    for number, (size, is_fan_out) in enumerate(_choose_sizes(count, batch_size), start=1):
        yield BatchPlan(
            batch_id=f"demo-{seed}.{number}",
            notifications=[
                _plan(name, planner, order, fan_out.bodies[planner.provider] if is_fan_out else None)
                for name, planner, order in islice(numbered, size)
            ],
            content=fan_out.content if is_fan_out else None,
        )


def plan_last_act(
    sizes: Sequence[int], seed: int, batch_size: int, subscriptions: Iterator[SubscriptionLine]
) -> Iterator[list[BatchPlan]]:
    """Yield the parts of the last act, of so many notifications each; subscriptions as in the first."""
    numbered = _number(_make_planners(f"{seed}, last act", subscriptions))
    for part, size in enumerate(sizes, start=1):
        most = min(batch_size, ceil(size / LEAST_BATCHES_OF_PART))
        yield [
            BatchPlan(
                batch_id=f"demo-{seed}.last-{part}.{number}",
                notifications=[
                    _plan(name, planner, order, reports_unknown=order % ROWS_PER_REPORTED == 0)
                    for name, planner, order in islice(numbered, min(most, size - start))
                ],
                is_last_act=True,
            )
            for number, start in enumerate(range(0, size, most), start=1)
        ]


def cut_last_act(count: int, kills: int) -> list[int]:
    """Return the sizes of its parts: one that nobody disturbs, and one for each kill; none without kills."""
    parts = kills + 1 if kills else 0
    return [(count + part) // parts for part in range(parts)]


def share_out(count: int) -> dict[ProviderName, int]:
    """Return how many of so many notifications go to each provider: they take turns in this order."""
    names = list(ProviderName)
    return {name: (count - turn + len(names) - 1) // len(names) for turn, name in enumerate(names)}


def _choose_sizes(count: int, batch_size: int) -> list[tuple[int, bool]]:
    """Return the size of each batch, and whether it is the fan-out."""
    targets = min(count // FAN_OUT_PART, MOST_FAN_OUT_TARGETS)
    own = count - targets
    sizes = [(min(batch_size, own - start), False) for start in range(0, own, batch_size)]
    if targets:
        sizes.insert((len(sizes) + 1) // 2, (targets, True))
    return sizes


def _make_planners(seed: str, subscriptions: Iterator[SubscriptionLine]) -> Sequence[Planner]:
    source = random.Random(seed)
    prose = Prose(source)
    return ApnsPlanner(source, prose), FcmPlanner(source, prose), WebPushPlanner(source, prose, subscriptions)


def _number(planners: Sequence[Planner]) -> Iterator[tuple[str, Planner, int]]:
    """Yield an id, whose turn it is, and how many that provider had before."""
    for number, planner in enumerate(cycle(planners)):
        yield f"n{number}", planner, number // len(planners)


def _plan(
    name: str, planner: Planner, order: int, shared: Body | None = None, *, reports_unknown: bool = False
) -> PlannedNotification:
    address = planner.make_address(order)
    return PlannedNotification(
        id=name,
        provider=planner.provider,
        address=address,
        body=planner.make_body(order, address) if shared is None else shared,
        reports_unknown=reports_unknown,
    )
