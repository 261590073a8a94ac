"""Sending many notifications and waiting for all their results: what `pushmill send` does, without a terminal.

Lines are read in a thread, for a pipe may let us wait; batches are pipelined; results are counted against what was
accepted until nothing is missing.
"""

import itertools
import re
import uuid
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
import trio

from gateway.caller.caller import SocketCaller
from gateway.caller.errors import BatchRefusedError, ConnectionLostError
from gateway.cli.sending.notification_lines import LineFault, Lines, SourceLine
from gateway.cli.sending.open_rows import OpenRows, RowOut
from protocol.frames import Accepted
from protocol.results import Result, ResultBlock, expand

BATCHES_AT_ONCE = 4
_ROW = re.compile(r"notifications\[(\d{1,9})\]")
# A gateway under pressure holds a batch for half a minute before it refuses; nobody at a terminal waits much longer.
TRIES = 3


class Totals(msgspec.Struct):
    """What has become of everything so far. ``results`` counts by provider, outcome, reason and its own word."""

    faults: int = 0
    sent: int = 0
    accepted: int = 0
    rejected: int = 0
    refused: int = 0
    results: Counter[tuple[str, str, str | None, str | None]] = msgspec.field(default_factory=Counter)

    @property
    def missing(self) -> int:
        """How many accepted notifications have no result yet."""
        return self.accepted - self.results.total()

    @property
    def is_all_taken(self) -> bool:
        """Whether the provider took every single one."""
        taken = sum(count for (_, outcome, _, _), count in self.results.items() if outcome == "provider_accepted")
        return self.is_all_accepted and taken == self.accepted

    @property
    def is_all_accepted(self) -> bool:
        """Whether the gateway took every single one."""
        return not (self.faults or self.rejected or self.refused)


class Sending:
    """One run. ``on_fault(place, detail)`` hears of what was not taken, ``on_result`` of every result.

    ``on_row`` hears once of each line that was read, whatever became of it, as
    :data:`gateway.cli.sending.RowOut` tells; of those that have not come to an end as late as :meth:`end_rows`.

    Results are looked at; as a named ``subscription`` they are acknowledged, so that the gateway may forget them.
    """

    def __init__(
        self,
        caller: SocketCaller,
        batch: dict[str, Any],
        *,
        batch_rows: int,
        subscription: str | None = None,
        on_fault: Callable[[str, str], None],
        on_result: Callable[[Result], None],
        on_row: Callable[[RowOut], None] | None = None,
    ) -> None:
        self._caller = caller
        self._batch = batch
        self._batch_rows = min(batch_rows, caller.welcome.limits.batch_notifications)
        self._subscription = subscription
        self._on_fault = on_fault
        self._on_result = on_result
        self._on_row = on_row
        self._rows = OpenRows(str(batch.get("app")))
        self._held_back: SourceLine | LineFault | None = None  # read, and too much for the batch before it
        self._waits = True
        self._name = uuid.uuid4().hex
        self._numbers = itertools.count(1)
        self._slots = trio.Semaphore(BATCHES_AT_ONCE)
        self._progress = trio.Event()
        self._is_feed_over = False
        self.totals = Totals()

    async def run(self, lines: Lines, *, patience_seconds: float | None) -> None:
        """Send all lines, then wait for their results; give up ``patience_seconds`` after the last. None: don't wait.

        Raises CallerError inside an exception group.
        """
        self._waits = patience_seconds is not None
        async with trio.open_nursery() as nursery:
            if patience_seconds is not None:
                await nursery.start(self._read_results)
            await self._send_all(lines)
            if patience_seconds is not None:
                await self._wait_results(patience_seconds)
            nursery.cancel_scope.cancel()

    def end_rows(self) -> None:
        """Tell of every row that has not come to an end, after :meth:`run` has returned or raised."""
        self._tell(self._rows.end_all())

    def _tell(self, rows: Iterable[RowOut | None]) -> None:
        for row in rows:
            if row is not None and self._on_row is not None:
                self._on_row(row)

    async def _send_all(self, lines: Lines) -> None:
        async with trio.open_nursery() as nursery:
            while chunk := await trio.to_thread.run_sync(self._take_lines, lines, abandon_on_cancel=True):
                for fault in (line for line in chunk if isinstance(line, LineFault)):
                    self.totals.faults += 1
                    self._on_fault(fault.place, fault.detail)
                    self._tell([self._rows.describe_fault(fault)])
                if rows := [line for line in chunk if isinstance(line, SourceLine)]:
                    await self._slots.acquire()
                    nursery.start_soon(self._send_rows, rows)

    def _take_lines(self, lines: Lines) -> list[SourceLine | LineFault]:
        """Return the next lines: a batch at most, in number and, with room for the frame, in bytes."""
        taken: list[SourceLine | LineFault] = []
        size_bytes = 0
        held_back = [] if self._held_back is None else [self._held_back]
        self._held_back = None
        for line in itertools.chain(held_back, lines):
            size_bytes += len(msgspec.msgpack.encode(line))
            if taken and size_bytes > self._caller.welcome.limits.batch_bytes // 2:
                self._held_back = line
                break
            taken.append(line)
            if len(taken) == self._batch_rows:
                break
        return taken

    async def _send_rows(self, rows: list[SourceLine]) -> None:
        batch_id = f"{self._name}.{next(self._numbers)}"
        batch = self._batch | {"batch_id": batch_id, "notifications": [row.notification for row in rows]}
        self.totals.sent += len(rows)
        if self._on_row is not None:
            self._rows.add(batch_id, rows)
        try:
            self._count(await self._send(batch), rows)
        except BatchRefusedError as error:
            self.totals.refused += len(rows)
            self._on_fault(_span(rows), f"refused: {error}{_find_culprit(error, rows)}")
            words = {"reason": error.reason, "field": error.field, "detail": error.detail}
            self._tell(self._rows.end_batch(batch_id, "refused", **words))
        finally:
            self._slots.release()
        self._progress.set()

    async def _send(self, batch: dict[str, Any]) -> Accepted:
        """Send a batch, again where the gateway asks to come back later. Raises BatchRefusedError."""
        for _ in range(TRIES - 1):
            try:
                return await self._caller.send(batch)
            except BatchRefusedError as error:
                if error.retry_after_ms is None:
                    raise
                await trio.sleep(error.retry_after_ms / 1000)
        return await self._caller.send(batch)

    def _count(self, answer: Accepted, rows: list[SourceLine]) -> None:
        self.totals.accepted += answer.accepted
        self.totals.rejected += len(answer.rejected)
        for rejected in answer.rejected:
            place = f"{rejected.field}: " if rejected.field else ""
            self._on_fault(rows[rejected.index].place, f"{rejected.reason}: {place}{rejected.detail}")
            self._tell([self._rows.reject(answer.batch_id, rejected)])
        self._rows.answer(answer.batch_id)
        if not self._waits:
            self._tell(self._rows.end_batch(answer.batch_id, "accepted"))

    async def _read_results(self, *, task_status: trio.TaskStatus[None]) -> None:
        subscription = await self._caller.subscribe(subscription=self._subscription)
        task_status.started()
        async for page in subscription:
            for block in page.blocks:
                if block.batch_id.startswith(self._name):
                    self._note_results(block)
            subscription.acknowledge(page)
        self._is_feed_over = True  # the gateway has drained: what is missing now won't come any more
        self._progress.set()

    def _note_results(self, block: ResultBlock) -> None:
        """Count results of ours; those of others, which may come without end, are no progress."""
        self.totals.results[block.provider, block.outcome, block.reason, block.provider_reason] += len(block)
        for result in expand(block):
            self._on_result(result)
            if self._on_row is not None:
                self._tell([self._rows.end(result)])
        self._progress.set()

    async def _wait_results(self, patience_seconds: float) -> None:
        while self.totals.missing:
            if self._is_feed_over:
                raise ConnectionLostError(f"the gateway ended, and owes {self.totals.missing:,} results")
            self._progress = trio.Event()
            with trio.move_on_after(patience_seconds) as patience:
                await self._progress.wait()
            if patience.cancelled_caught:
                return


def _span(rows: list[SourceLine]) -> str:
    first, last = rows[0].place, rows[-1].place
    return first if first == last else f"{first} to {last}"


def _find_culprit(error: BatchRefusedError, rows: list[SourceLine]) -> str:
    """Return which line a batch was refused for, where the gateway names one of its rows."""
    found = _ROW.match(error.field or "")
    return f" (this is {rows[int(found[1])].place})" if found and int(found[1]) < len(rows) else ""
