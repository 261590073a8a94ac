"""The caller of a gateway that is killed again and again: it repeats what was not answered, and forgets nothing.

Every batch keeps its ``batch_id`` until it is answered, over as many lives of the gateway as that takes; some are sent
by two tasks at once, and some again after their answer. Results are acknowledged only once they are noted.
"""

import hashlib
import random
from typing import Any

import trio

from bench.faults.gateway_process import APP
from bench.judging.findings import History, SubmittedBatch
from gateway.caller import CallerError, SocketCaller, Subscription, open_caller
from protocol.frames import Results
from protocol.results import expand

SUBSCRIPTION = "kills"
SENDERS = 4
BATCH_ROWS = (1, 5, 20, 120)
CONCURRENT_SHARE = 0.3
REPEATED_SHARE = 0.1
REPORTED_SHARE = 0.5
PAUSE_SECONDS = 0.1
"""At most, between a sender's batches: some 2,000 notifications a second, which a simulator in Python keeps up with."""


class KillCaller:
    """What a backend would be. Its history outlives each of its connections."""

    def __init__(self, history: History, dice: random.Random) -> None:
        self._history = history
        self._dice = dice
        self._unanswered: list[SubmittedBatch] = []
        self._answered: set[str] = set()
        self._submitted = 0
        self._has_result: set[tuple[str, int]] = set()
        self._accepted_rows = 0
        self.sends_new = True

    @property
    def is_settled(self) -> bool:
        """Whether every batch was answered and every accepted notification has its result."""
        return len(self._answered) == self._submitted and len(self._has_result) >= self._accepted_rows

    @property
    def settled_rows(self) -> int:
        """How many notifications have a result."""
        return len(self._has_result)

    async def live(self, address: str) -> None:
        """Send and read until the gateway is gone or refuses, or cancelled."""
        try:
            async with open_caller(address) as sender, open_caller(address) as reader, trio.open_nursery() as nursery:
                nursery.start_soon(self._read, await reader.subscribe(subscription=SUBSCRIPTION))
                for _ in range(SENDERS):
                    nursery.start_soon(self._send, sender)
        except* (CallerError, trio.BrokenResourceError):
            pass  # it was killed or ends, which is the point

    async def _send(self, caller: SocketCaller) -> None:
        while True:
            batch = self._choose()
            if batch is None:
                await trio.sleep(PAUSE_SECONDS)
                continue
            try:
                await self._deliver(caller, batch)
            except BaseException:
                if batch.batch_id not in self._answered:
                    self._unanswered.append(batch)
                raise
            await trio.sleep(self._dice.random() * PAUSE_SECONDS)

    async def _deliver(self, caller: SocketCaller, batch: SubmittedBatch) -> None:
        """Send a batch, at times twice at once or once more afterwards, and note each answer."""
        copies = 2 if self._dice.random() < CONCURRENT_SHARE else 1
        async with trio.open_nursery() as nursery:
            for _ in range(copies):
                nursery.start_soon(self._send_once, caller, batch)
        if self._dice.random() < REPEATED_SHARE:
            await self._send_once(caller, batch)

    async def _send_once(self, caller: SocketCaller, batch: SubmittedBatch) -> None:
        rows = len(batch.destinations)
        answer = await caller.send(make_batch(batch.batch_id, rows, reports_unknown=batch.reports_unknown))
        if batch.batch_id not in self._answered:
            self._answered.add(batch.batch_id)
            self._accepted_rows += rows
        self._history.answers.append((batch.batch_id, answer.accepted))

    async def _read(self, results: Subscription[Results]) -> None:
        async for page in results:
            for block in page.blocks:
                for result in expand(block):
                    self._history.results.append(result)
                    self._has_result.add((result.batch_id, result.index))
            results.acknowledge(page)

    def _choose(self) -> SubmittedBatch | None:
        if self._unanswered:
            return self._unanswered.pop(0)
        return self._make() if self.sends_new else None

    def _make(self) -> SubmittedBatch:
        batch_id = f"kills.{self._submitted}"
        self._submitted += 1
        batch = SubmittedBatch(
            batch_id=batch_id,
            destinations=tuple(make_token(batch_id, index) for index in range(self._dice.choice(BATCH_ROWS))),
            reports_unknown=self._dice.random() < REPORTED_SHARE,
        )
        self._history.submitted[batch_id] = batch
        return batch


def make_token(batch_id: str, index: int) -> str:
    """Return a device token that no other notification has."""
    return hashlib.sha256(f"{batch_id}[{index}]".encode()).hexdigest()


def make_batch(
    batch_id: str, rows: int, *, reports_unknown: bool = False, ttl_seconds: int | None = None
) -> dict[str, Any]:
    """Return a batch as it is sent."""
    lifetime = {} if ttl_seconds is None else {"ttl": ttl_seconds}
    return {
        "batch_id": batch_id,
        "app": APP,
        "content": {"title": "Sale", "body": "20 % off today"},
        "defaults": {"on_unknown": "report" if reports_unknown else "retry", **lifetime},
        "targets": [{"apns": {"token": make_token(batch_id, index)}} for index in range(rows)],
    }
