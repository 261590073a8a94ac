"""The batches of a run: small ones in which the providers take turns, and in their midst one fan-out to all of them.

The fan-out is a third of the run, 10,000 targets at most: as many as a batch may have.
"""

import random
from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from typing import Any

import msgspec

from bench.demo.plan.apns import ApnsPlanner
from bench.demo.plan.fan_out import read_fan_out
from bench.demo.plan.fcm import FcmPlanner
from bench.demo.plan.notifications import Body, PlannedNotification, Planner, ProviderName
from bench.demo.plan.prose import Prose
from bench.demo.plan.webpush import SubscriptionLine, WebPushPlanner

FAN_OUT_PART = 3
MOST_FAN_OUT_TARGETS = 10_000


class BatchPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The notifications of one batch, in the order of their indexes."""

    batch_id: str
    notifications: list[PlannedNotification]
    content: dict[str, Any] | None = None
    """What all of them say, in a batch of targets."""


def plan_batches(
    count: int, seed: int, batch_size: int, subscriptions: Iterator[SubscriptionLine]
) -> Iterator[BatchPlan]:
    """Yield ``count`` notifications in batches of ``batch_size``, a smaller one perhaps, and one of targets.

    Every third one takes a subscription: the same seed sends the same only to the same subscriptions.
    """
    source = random.Random(seed)
    prose = Prose(source)
    planners = ApnsPlanner(source, prose), FcmPlanner(source, prose), WebPushPlanner(source, prose, subscriptions)
    numbered = _number(planners)
    fan_out = read_fan_out()
    for number, (size, is_fan_out) in enumerate(_choose_sizes(count, batch_size), start=1):
        yield BatchPlan(
            batch_id=f"demo-{seed}.{number}",
            notifications=[
                _plan(name, planner, order, fan_out.bodies[planner.provider] if is_fan_out else None)
                for name, planner, order in islice(numbered, size)
            ],
            content=fan_out.content if is_fan_out else None,
        )


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


def _number(planners: Sequence[Planner]) -> Iterator[tuple[str, Planner, int]]:
    """Yield an id, whose turn it is, and how many that provider had before."""
    for number, planner in enumerate(cycle(planners)):
        yield f"n{number}", planner, number // len(planners)


def _plan(name: str, planner: Planner, order: int, shared: Body | None) -> PlannedNotification:
    address = planner.make_address(order)
    return PlannedNotification(
        id=name,
        provider=planner.provider,
        address=address,
        body=planner.make_body(order, address) if shared is None else shared,
    )
