"""The batches of one connection between their arrival and their answer.

Batches are worked on side by side and answered as they get ready. A few workers take them from a queue that the
connection's credits bound: a task is started only while others are busy, so that a stream of small batches costs one
task, not one each.
"""

from collections import deque

import trio

from gateway.doors.socket.answering import write_accepted
from gateway.doors.socket.outbox import Outbox
from gateway.intake.admission import Admission
from gateway.intake.credits import Cost, CreditLedger
from gateway.intake.intake import Intake
from gateway.intake.refusals import describe_refusal
from gateway.intake.turns import TurnAccount, Turns
from protocol.frames import Accepted, Credits, Error, encode_frame
from protocol.reasons import Reason
from protocol.send import BatchEnvelope, BatchLimits, RequestError, SendFrame, open_batch

# Enough that waits for commits overlap; those who wait for room wait one behind the other anyway.
WORKER_LIMIT = 16


class Pipeline:
    """See the module text. Its workers live in the nursery that is handed in, which belongs to the connection."""

    def __init__(
        self,
        *,
        principal: str,
        intake: Intake,
        admission: Admission,
        limits: BatchLimits,
        ledger: CreditLedger,
        outbox: Outbox,
        turns: Turns,
        account: TurnAccount,
        nursery: trio.Nursery,
    ) -> None:
        self._principal = principal
        self._intake = intake
        self._admission = admission
        self._limits = limits
        self._ledger = ledger
        self._outbox = outbox
        self._turns = turns
        self._account = account
        self._nursery = nursery
        self._waiting: deque[tuple[BatchEnvelope, Cost]] = deque()
        self._workers = 0

    def submit(self, frame: SendFrame, size_bytes: int) -> bool:
        """Queue a batch for its answer; return False for one that was answered at once, with a refusal.

        ``size_bytes`` is the frame's body. Raises RequestError, and nothing was taken, where the envelope is at fault.
        """
        envelope = open_batch(frame, self._limits)
        cost = Cost(len(envelope), size_bytes)
        if not self._ledger.take(cost):
            raise RequestError(Reason.NO_CREDIT, None, self._describe_lack(cost), batch_id=envelope.batch_id)
        try:
            self._intake.check(envelope)
            self._admission.hold(cost)
        except RequestError as error:
            self._answer(describe_refusal(error, batch_id=envelope.batch_id, credits_back=_as_frame(cost)), cost)
            return False
        self._account.begin()
        self._waiting.append((envelope, cost))
        if self._workers < WORKER_LIMIT:
            self._workers += 1
            self._nursery.start_soon(self._work)
        return True

    def abandon(self) -> None:
        """Drop what no worker has begun; for a connection that is gone."""
        while self._waiting:
            _, cost = self._waiting.popleft()
            self._admission.let_go(cost)
            self._account.end()

    async def _work(self) -> None:
        while self._waiting:
            envelope, cost = self._waiting.popleft()
            try:
                answer = await self._take(envelope, cost)
            finally:
                self._admission.let_go(cost)
                self._account.end()
            self._answer(answer, cost)
        self._workers -= 1

    async def _take(self, envelope: BatchEnvelope, cost: Cost) -> Accepted | Error:
        try:
            answer = await self._intake.take(self._principal, envelope, cost.bytes, self._account)
        except RequestError as error:
            return describe_refusal(error, batch_id=envelope.batch_id, credits_back=_as_frame(cost))
        return await write_accepted(answer, _as_frame(cost), self._turns, self._account)

    def _answer(self, answer: Accepted | Error, cost: Cost) -> None:
        self._outbox.put_answer(encode_frame(answer), cost)

    def _describe_lack(self, cost: Cost) -> str:
        available = self._ledger.available
        return (
            f"the batch costs {cost.notifications} notifications and {cost.bytes} bytes, the connection has "
            f"{available.notifications} and {available.bytes}: wait for answers to come"
        )


def _as_frame(cost: Cost) -> Credits:
    return Credits(notifications=cost.notifications, bytes=cost.bytes)
