"""Whose work is next: connections take turns, so that one with much cheap work slows nobody else.

Work is what a connection's frames and its batches on their way to an answer need between two checkpoints: a slice at a
time, with a cost that is known before, about a microsecond each. A turn of the loop has slices of TURN_COST in all, or
a single one that costs more. So it takes as long however many connections have work waiting, and whatever a batch does
between its arrival and its answer is held up by that much a turn. A loop turn costs something itself: while a single
connection is at work, or nobody was for a while (LULL_COST) who had nothing to do just before, it has slices of
BUSY_TURN_COST.

Who goes first: a connection that had nothing to do until just now is *fresh* for FRESH_COST of work; frames and batches
of one that has more wait among the *busy* ones, of which the one that was given least goes next (start-time fair
queueing), whether it has one task waiting or seventeen. Both kinds go in alternation: a flood waits for others, and
others never for all of it.

Reading is work too: receiving 64 KiB takes as long as a slice. A read that brings no whole frame, and one whose bytes
are thrown away, takes a turn among the busy ones before the next read.
"""

from collections import OrderedDict
from collections.abc import Callable
from heapq import heappop, heappush
from typing import TypeVar

import trio

TURN_COST = 100
BUSY_TURN_COST = 5 * TURN_COST
FRESH_COST = 4 * TURN_COST
LULL_COST = 20 * TURN_COST

Value = TypeVar("Value")


class TurnAccount:
    """What one connection has to do and was given. Bounded by its tasks: its reader and its pipeline's workers."""

    __slots__ = ("_fresh_left", "_is_busy", "_open", "_turns", "given", "is_queued", "waiting")

    def __init__(self, turns: "Turns") -> None:
        self._turns = turns
        self._open = 0
        self._is_busy = False
        self._fresh_left = FRESH_COST
        self.given = 0.0  # in the virtual time of the busy ones: the cost that each of them was given
        self.is_queued = False
        self.waiting: OrderedDict[trio.lowlevel.Task, int] = OrderedDict()

    @property
    def is_busy(self) -> bool:
        """Whether it had more to do at once than a fresh one may have."""
        return self._is_busy

    def begin(self) -> None:
        """Count a batch, or frames that have come, until :meth:`end`."""
        self._open += 1
        if self._open == 1:
            self._turns.enter()

    def end(self) -> None:
        """End what :meth:`begin` counted; with the last the connection is fresh again."""
        if self._open == 1:
            self._leave_fresh()
            self._turns.leave()
            self._is_busy = False
            self._fresh_left = FRESH_COST
        self._open -= 1

    def spend_fresh(self, cost: int) -> bool:
        """Return whether work of this cost goes with the fresh; it counts against FRESH_COST then."""
        if not self._is_busy and cost <= self._fresh_left:
            self._fresh_left -= cost
            return True
        self._leave_fresh()
        self._is_busy = True
        return False

    def _leave_fresh(self) -> None:
        if self._open and not self._is_busy:
            self._turns.leave_fresh()


class Turns:
    """Shared by all connections of a door. What is held of a turn is held for synchronous work only.

    Whoever waits does so because others hold what is missing; what they pass on goes to who waits, for the next turn
    of the loop.
    """

    def __init__(self) -> None:
        self._at_work = 0  # connections
        self._fresh_connections = 0  # those of them that are not busy
        self._lull_left = 0
        self._free = BUSY_TURN_COST
        self._fresh: OrderedDict[trio.lowlevel.Task, int] = OrderedDict()
        self._busy: list[
            tuple[float, int, TurnAccount]
        ] = []  # a heap; those whose waiters were cancelled are left in it
        self._entries = 0
        self._now = 0.0  # virtual
        self._was_fresh = False

    def __repr__(self) -> str:
        return f"<Turns: {len(self._fresh)} fresh ones wait, and {len(self._busy)} busy connections>"

    @property
    def are_waited_for(self) -> bool:
        """Whether somebody waits for a part of a turn."""
        return bool(self._fresh or self._busy)

    def enter(self) -> None:
        """Count a connection that had nothing to do and has."""
        self._at_work += 1
        self._fresh_connections += 1

    def leave(self) -> None:
        """Count it no more."""
        self._at_work -= 1

    def leave_fresh(self) -> None:
        """Count it as fresh no more: it is busy, or has nothing to do; it may well come again soon."""
        self._fresh_connections -= 1
        self._lull_left = LULL_COST

    async def run(self, account: TurnAccount, cost: int, work: Callable[[], Value]) -> Value:
        """Return what ``work`` returns, called when its turn has come. A checkpoint, or nearly: others had theirs."""
        held = await self.take(account, cost)
        try:
            return work()
        finally:
            await self.pass_on(held)

    async def take(self, account: TurnAccount, cost: int, *, last: bool = False) -> int:
        """Wait for a part of a turn; return what is to be passed on. Not a checkpoint when it is free.

        ``last``: among the busy ones, however little the connection has to do.
        """
        cost = min(cost, TURN_COST)
        is_fresh = not last and account.spend_fresh(cost)
        if not self._fresh and not self._busy and self._fits(cost):
            self._free -= cost
        elif is_fresh:
            await _wait_in(self._fresh, cost)
        else:
            await self._wait_busy(account, cost)
        return cost

    async def pass_on(self, held: int) -> None:
        """Give back a part. It counts until the loop's next turn, so that whoever comes in this one waits.

        A checkpoint, unless somebody waits: who has more to do will wait for them.
        """
        if self._fresh or self._busy:
            self._give_back(held)
            return
        try:
            await trio.lowlevel.checkpoint()
        finally:
            self._give_back(held)

    async def wait_last(self, account: TurnAccount) -> None:
        """Let those go first who have something to do; for who read bytes that are nothing whole yet."""
        await self.pass_on(await self.take(account, TURN_COST, last=True))

    def _fits(self, cost: int) -> bool:
        if self._at_work > 1 and (self._fresh_connections or self._lull_left > 0):
            cost += BUSY_TURN_COST - TURN_COST
        return cost <= self._free

    async def _wait_busy(self, account: TurnAccount, cost: int) -> None:
        if not account.is_queued:
            self._queue(account)
        await _wait_in(account.waiting, cost)

    def _queue(self, account: TurnAccount) -> None:
        """Put a connection in its place; one that comes anew has no claim to what others were given meanwhile."""
        account.is_queued = True
        account.given = max(account.given, self._now)
        self._entries += 1
        heappush(self._busy, (account.given, self._entries, account))

    def _give_back(self, held: int) -> None:
        self._free += held
        self._lull_left -= held
        while self._wake_next():
            pass

    def _wake_next(self) -> bool:
        """Wake who is next, if what is free is enough for it."""
        account = self._find_busy()
        is_fresh = bool(self._fresh) and (account is None or not self._was_fresh)
        if is_fresh:
            waiting = self._fresh
        elif account is not None:
            waiting = account.waiting
        else:
            return False
        task, cost = next(iter(waiting.items()))
        if not self._fits(cost):
            return False
        self._free -= cost
        self._was_fresh = is_fresh
        waiting.popitem(last=False)
        if account is not None and not is_fresh:
            self._charge(account, cost)
        trio.lowlevel.reschedule(task)
        return True

    def _find_busy(self) -> TurnAccount | None:
        """Return the busy connection that was given least, past those of which nobody waits any more."""
        while self._busy:
            account = self._busy[0][2]
            if account.waiting:
                return account
            heappop(self._busy)
            account.is_queued = False
        return None

    def _charge(self, account: TurnAccount, cost: int) -> None:
        """Count what the first of the busy ones is given, and let it queue again if it has more to do."""
        heappop(self._busy)
        self._now = account.given
        account.given += cost
        account.is_queued = False
        if account.waiting:
            self._queue(account)


async def _wait_in(waiting: OrderedDict[trio.lowlevel.Task, int], cost: int) -> None:
    task = trio.lowlevel.current_task()

    def abort(_: object) -> trio.lowlevel.Abort:
        waiting.pop(task, None)
        return trio.lowlevel.Abort.SUCCEEDED

    waiting[task] = cost
    await trio.lowlevel.wait_task_rescheduled(abort)
