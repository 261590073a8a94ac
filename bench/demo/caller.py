"""The demo's caller, a process of its own: sends the plan over the socket, reads results, keeps its history.

    python -m bench.demo.caller --socket PATH --directory DIR --subscriptions FILE
        --notifications 30000 --seed 1 --batch-size 500

It knows nothing of the gateway but its address, and of the browsers what they would tell it: their subscriptions. Each
line on standard output has `Counts` by provider in JSON, the last one when every accepted notification has a result.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import trio

from bench.demo.history import Answer, HistoryWriter, Receipt, Refusal, Submission
from bench.demo.plan import BatchPlan, plan_batches, read_subscriptions, write_request
from bench.demo.tally import Tally
from gateway.caller import BatchRefusedError, CallerError, SocketCaller, open_caller
from protocol.frames import Results
from protocol.results import expand

SUBSCRIPTION = "demo"
# Enough batches on their way that the gateway never waits for the caller; a credit's worth of them is far more.
SENDERS = 4
REPORT_SECONDS = 0.1
# After the last result that was due the feed is read a little longer: a surplus one would come now.
SURPLUS_SECONDS = 0.3


class DemoCaller:
    """One run over one connection."""

    def __init__(self, caller: SocketCaller, history: HistoryWriter) -> None:
        self._caller = caller
        self._history = history
        self._tally = Tally()
        self._has_sent_all = False
        self._finished = trio.Event()

    async def run(self, batches: Iterator[BatchPlan]) -> None:
        """Send everything and read until every accepted notification has its result. Raises CallerError."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._receive)
            nursery.start_soon(self._report)
            async with trio.open_nursery() as senders:
                for _ in range(SENDERS):
                    senders.start_soon(self._send, batches)
            self._has_sent_all = True
            self._note_progress()
            await self._finished.wait()
            await trio.sleep(SURPLUS_SECONDS)
            nursery.cancel_scope.cancel()
        self._print_counts()

    async def _send(self, batches: Iterator[BatchPlan]) -> None:
        """Send one batch after the other; several of these tasks share ``batches``."""
        for batch in batches:
            sent_at = trio.current_time()
            self._history.add_submissions(list(_submissions(batch, sent_at)))
            self._tally.count_sent(batch)
            try:
                accepted = await self._caller.send(write_request(batch))
            except BatchRefusedError as refusal:
                self._take_answer(batch, accepted=0, refused=[], error=refusal.reason)
            else:
                refused = [Refusal(index=row.index, reason=row.reason) for row in accepted.rejected]
                self._take_answer(batch, accepted=accepted.accepted, refused=refused, error=None)

    def _take_answer(self, batch: BatchPlan, *, accepted: int, refused: list[Refusal], error: str | None) -> None:
        self._history.add_answer(
            Answer(
                batch_id=batch.batch_id,
                accepted=accepted,
                refused=refused,
                error=error,
                answered_at=trio.current_time(),
            )
        )
        every = range(len(batch.notifications))
        self._tally.count_answered(batch, every if error is not None else {refusal.index for refusal in refused})
        self._note_progress()

    async def _receive(self) -> None:
        subscription = await self._caller.subscribe(subscription=SUBSCRIPTION)
        async for results in subscription:
            receipts = list(_receipts(results, trio.current_time()))
            self._history.add_receipts(receipts)
            subscription.acknowledge(results)
            self._tally.count_results(receipts)
            self._note_progress()

    def _note_progress(self) -> None:
        if self._has_sent_all and not self._tally.has_outstanding:
            self._finished.set()

    async def _report(self) -> None:
        while True:
            self._print_counts()
            await trio.sleep(REPORT_SECONDS)

    def _print_counts(self) -> None:
        sys.stdout.buffer.write(msgspec.json.encode(self._tally.counts()) + b"\n")
        sys.stdout.buffer.flush()


def _submissions(batch: BatchPlan, sent_at: float) -> Iterator[Submission]:
    for index, planned in enumerate(batch.notifications):
        yield Submission(
            batch_id=batch.batch_id,
            index=index,
            id=planned.id,
            provider=planned.provider,
            kind=planned.address.kind,
            destination=planned.address.destination,
            body_sha256=planned.body.sha256,
            refusal=planned.address.refusal,
            sent_at=sent_at,
        )


def _receipts(results: Results, received_at: float) -> Iterator[Receipt]:
    for block in results.blocks:
        for result in expand(block):
            yield Receipt(
                batch_id=result.batch_id,
                index=result.index,
                id=result.id,
                provider=result.provider,
                outcome=result.outcome,
                reason=result.reason,
                provider_id=result.provider_id,
                attempts=result.attempts,
                uncertain_attempts=result.uncertain_attempts,
                received_at=received_at,
            )


async def call(arguments: argparse.Namespace) -> None:
    """Connect, run, and leave the history in the directory. Raises CallerError."""
    subscriptions = read_subscriptions(arguments.subscriptions)
    batches = plan_batches(arguments.notifications, arguments.seed, arguments.batch_size, subscriptions)
    with HistoryWriter(arguments.directory) as history:
        async with open_caller(f"unix:{arguments.socket}") as caller:
            await DemoCaller(caller, history).run(batches)


def parse_arguments(words: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.demo.caller", description="The demo's caller.")
    parser.add_argument("--socket", type=Path, required=True, help="the gateway's Unix socket")
    parser.add_argument("--directory", type=Path, required=True, help="where the history goes")
    parser.add_argument("--subscriptions", type=Path, required=True, help="NDJSON file of Web Push subscriptions")
    parser.add_argument("--notifications", type=int, required=True, help="how many to send")
    parser.add_argument("--seed", type=int, required=True, help="what the notifications are made from")
    parser.add_argument("--batch-size", type=int, required=True, help="notifications in a batch")
    return parser.parse_args(words)


def main() -> None:
    """Run as a process; what went wrong is said in one line on standard error."""
    complaint = ""
    try:
        trio.run(call, parse_arguments())
    except* CallerError as errors:
        complaint = "; ".join(str(error) for error in errors.exceptions)
    if complaint:
        sys.exit(complaint)


if __name__ == "__main__":
    main()
