"""The loop that kills: a gateway under load dies at named points or at any moment, again and again; then all is judged.

Named points are calls on the journal's files: the gateway dies in place of the n-th write or flush, or right after it
(see `shim`). Nothing in the gateway knows of them.
"""

import random
import signal
import time
from pathlib import Path

import msgspec
import trio

from bench.faults.gateway_process import DATABASE, LOG, GatewayPlace, open_place, start_gateway, wait_for_door
from bench.faults.kill_caller import KillCaller
from bench.faults.shim import Action, Operation, Rule
from bench.judging.findings import Findings, History, KillMoment, judge
from bench.judging.processes import Child
from bench.simulators.apns import ApnsScenario, ApnsSimulator, ApnsSimulatorOptions, open_apns_simulator
from bench.simulators.server import Latency

LATENCY_SECONDS = 0.02
LONGEST_LIFE_SECONDS = 3.0
SHORTEST_LIFE_SECONDS = 0.02
PATIENCE_SECONDS = 30.0
"""A gateway that sends nothing and brings nothing to an end for so long has lost the rest."""
COUNTING_SECONDS = 0.002
SESSION_WINDOW = 200
MOST_REPEATED = 2 * SESSION_WINDOW
"""A kill's due (P3): the streams in flight, and what ends within one flush interval. The one is the window of the only
session; the other is no more, for a flush interval is shorter than the 20 ms in which the window turns over once."""

_OPTIONS = ApnsSimulatorOptions(scenario=ApnsScenario(latency=Latency(distribution="fixed", seconds=LATENCY_SECONDS)))
_SESSIONS = {"session_window": SESSION_WINDOW, "most_sessions": 1}


class KillPoint(msgspec.Struct, frozen=True):
    """Where a gateway dies: at a call on a file, or (None) at a moment, once it has sent so many requests."""

    rule: Rule | None
    after_seconds: float
    after_requests: int = 0

    def __str__(self) -> str:
        if self.after_requests:
            return f"after {self.after_requests} requests"
        return "any moment" if self.rule is None else f"{self.rule.action} at {self.rule.operation} {self.rule.pattern}"


class KillRun(msgspec.Struct, frozen=True, kw_only=True):
    """A whole loop: what was noted, and how it is judged."""

    history: History
    findings: Findings


def choose_point(dice: random.Random) -> KillPoint:
    """Return the next point: a third of them any moment, the rest a write or flush of the log or the database."""
    if dice.random() < 0.33:
        return KillPoint(None, dice.uniform(SHORTEST_LIFE_SECONDS, 0.6))
    operation: Operation = dice.choice(("write", "sync"))
    pattern = dice.choice((LOG, LOG, LOG, DATABASE))
    at = 1 + int(dice.expovariate(1 / 20)) if pattern == LOG else dice.randint(1, 3)
    action: Action = dice.choice(("kill", "killafter"))
    return KillPoint(Rule(operation, pattern, at, action), LONGEST_LIFE_SECONDS)


async def run_kills(
    folder: Path,
    kills: int,
    seed: int,
    *,
    plant: str | None = None,
    patience_seconds: float = PATIENCE_SECONDS,
    after_requests: int = 0,
) -> KillRun:
    """Kill a gateway so many times, then let it finish, and judge. Raises ChildError when it doesn't come up again.

    With ``after_requests`` each life ends once it has sent so many, however long that takes, instead of at a point of
    its own.
    """
    dice = random.Random(seed)
    history = History()
    caller = KillCaller(history, dice)
    async with open_apns_simulator(_OPTIONS) as simulator, open_place(folder, simulator, apns=_SESSIONS) as place:
        for _ in range(kills):
            point = KillPoint(None, 0.0, after_requests) if after_requests else choose_point(dice)
            history.kills.append(await _live_once(place, simulator, caller, point, plant))
        caller.sends_new = False
        await finish(place, caller, simulator, plant=plant, patience_seconds=patience_seconds)
        await trio.sleep(5 * LATENCY_SECONDS)
    history.ledger = simulator.ledger.entries
    return KillRun(history=history, findings=judge(history))


async def _live_once(
    place: GatewayPlace, simulator: ApnsSimulator, caller: KillCaller, point: KillPoint, plant: str | None
) -> KillMoment:
    """Start a gateway, load it, and see it die."""
    rules = [] if point.rule is None else [point.rule]
    place.socket.unlink(missing_ok=True)
    async with start_gateway(place, rules=rules, plant=plant, waits=False) as child, trio.open_nursery() as nursery:
        nursery.start_soon(_load, place, caller)
        nursery.start_soon(_kill_later, child, place, simulator, point)
        await child.wait()
        moment = KillMoment(point=str(point), at_ms=int(time.time() * 1000), session=simulator.statistics().connections)
        nursery.cancel_scope.cancel()
    return moment


async def _load(place: GatewayPlace, caller: KillCaller) -> None:
    await wait_for_door(place)
    await caller.live(place.address)


async def _kill_later(child: Child, place: GatewayPlace, simulator: ApnsSimulator, point: KillPoint) -> None:
    before = simulator.statistics().requests
    await wait_for_door(place)
    await trio.sleep(point.after_seconds)
    while simulator.statistics().requests < before + point.after_requests:  # noqa: ASYNC110 - it tells nobody
        await trio.sleep(COUNTING_SECONDS)
    child.send_signal(signal.SIGKILL)


async def finish(
    place: GatewayPlace,
    caller: KillCaller,
    simulator: ApnsSimulator,
    *,
    plant: str | None = None,
    patience_seconds: float = PATIENCE_SECONDS,
) -> None:
    """Let a gateway that nobody kills bring everything to its end, as long as it sends and settles."""
    place.socket.unlink(missing_ok=True)
    async with start_gateway(place, plant=plant) as child, trio.open_nursery() as nursery:
        nursery.start_soon(caller.live, place.address)
        reached = (-1, -1)
        with trio.move_on_after(patience_seconds) as patience:
            while not caller.is_settled and not child.has_ended:
                progress = (caller.settled_rows, simulator.statistics().requests)
                if progress != reached:
                    reached = progress
                    patience.deadline = trio.current_time() + patience_seconds
                await trio.sleep(0.05)
        nursery.cancel_scope.cancel()
