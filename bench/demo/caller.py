"""The demo's caller, a process of its own: sends the plan over the socket, reads results, keeps its history.

    python -m bench.demo.caller --socket PATH --directory DIR --subscriptions FILE
        --notifications 30000 --last-act 2500,2500,2500,2500 --seed 1 --batch-size 500

It knows nothing of the gateway but its address, and of the browsers what they would tell it: their subscriptions. That
the gateway is killed in the last act it notices by its connection alone: it connects again, sends again what was not
answered, and reads on. Each line on standard output has `Counts` by provider in JSON, the last one when every accepted
notification has a result.
"""

import argparse
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
import trio

from bench.demo.plan import BatchPlan, plan_batches, plan_last_act, read_subscriptions, write_request
from bench.demo.tally import Tally
from bench.judging.history import Answer, HistoryWriter, Receipt, Refusal, Submission
from gateway.caller import BatchRefusedError, CallerError, SteadyCaller, open_steady_caller
from gateway.wakeup import Wakeup
from protocol.frames import Results
from protocol.results import expand

SUBSCRIPTION = "demo"
# Enough batches on their way that the gateway never waits for the caller; a credit's worth of them is far more.
SENDERS = 4
REPORT_SECONDS = 0.1
# After the last result that was due the feed is read a little longer: a surplus one would come now.
SURPLUS_SECONDS = 0.3


class DemoCaller:
    """One run, over as many connections as it takes."""

    def __init__(self, caller: SteadyCaller, history: HistoryWriter) -> None:
        self._caller = caller
        self._history = history
        self._tally = Tally()
        self._progress = Wakeup()

    async def run(self, first_act: Iterable[BatchPlan], last_act: Iterable[list[BatchPlan]]) -> None:
        """Send everything and read until every accepted notification has its result. Raises CallerError."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._receive)
            nursery.start_soon(self._report)
            await self._send_all(first_act)
            await self._wait_outstanding(0)
            for part in last_act:
                # Each part finds the one before under way: a gateway that is killed then has streams in flight.
                await self._wait_outstanding(sum(len(batch.notifications) for batch in part) // 2)
                await self._send_all(part)
            await self._wait_outstanding(0)
            await trio.sleep(SURPLUS_SECONDS)
            nursery.cancel_scope.cancel()
        self._print_counts()

    async def _wait_outstanding(self, most: int) -> None:
        """Wait until no more than ``most`` notifications are without their final answer."""
        while self._tally.outstanding > most:
            await self._progress.wait()

    async def _send_all(self, batches: Iterable[BatchPlan]) -> None:
        shared = iter(batches)
        async with trio.open_nursery() as senders:
            for _ in range(SENDERS):
                senders.start_soon(self._send, shared)

    async def _send(self, batches: Iterator[BatchPlan]) -> None:
        """Send one batch after the other; several of these tasks share ``batches``."""
        for batch in batches:
            sent_at = trio.current_time()
            self._history.add_submissions(list(_submissions(batch, sent_at)))
            self._tally.count_sent(batch)
            self._print_counts()  # at once: the gateway may have to be killed while this is on its way
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
        self._progress.set()

    async def _receive(self) -> None:
        async for results in self._caller.results(SUBSCRIPTION):
            receipts = list(_receipts(results, trio.current_time(), self._caller.readings))
            self._history.add_receipts(receipts)
            self._caller.acknowledge(results)
            self._tally.count_results(receipts)
            self._progress.set()

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
            reports_unknown=planned.reports_unknown,
            is_last_act=batch.is_last_act,
        )


def _receipts(results: Results, received_at: float, reading: int) -> Iterator[Receipt]:
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
                reading=reading,
            )


async def call(arguments: argparse.Namespace) -> None:
    """Connect, run, and leave the history in the directory. Raises CallerError."""
    subscriptions = read_subscriptions(arguments.subscriptions)
    first_act = plan_batches(arguments.notifications, arguments.seed, arguments.batch_size, subscriptions)
    last_act = plan_last_act(arguments.last_act, arguments.seed, arguments.batch_size, subscriptions)
    with HistoryWriter(arguments.directory) as history:
        async with open_steady_caller(f"unix:{arguments.socket}") as caller:
            await DemoCaller(caller, history).run(first_act, last_act)


def parse_arguments(words: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.demo.caller", description="The demo's caller.")
    parser.add_argument("--socket", type=Path, required=True, help="the gateway's Unix socket")
    parser.add_argument("--directory", type=Path, required=True, help="where the history goes")
    parser.add_argument("--subscriptions", type=Path, required=True, help="NDJSON file of Web Push subscriptions")
    parser.add_argument("--notifications", type=int, required=True, help="how many to send in the first act")
    parser.add_argument("--last-act", type=_read_sizes, required=True, help="how many in each part of the last one")
    parser.add_argument("--seed", type=int, required=True, help="what the notifications are made from")
    parser.add_argument("--batch-size", type=int, required=True, help="notifications in a batch")
    return parser.parse_args(words)


def _read_sizes(word: str) -> list[int]:
    return [int(size) for size in word.split(",") if size]


def main() -> None:
    """Run as a process; what went wrong is said in one line on standard error."""
    complaints: list[str] = []
    try:
        trio.run(call, parse_arguments())
    except* CallerError as errors:
        complaints += map(str, _flatten(errors))
    if complaints:
        sys.exit("; ".join(complaints))


def _flatten(errors: BaseExceptionGroup[CallerError]) -> Iterator[BaseException]:
    """Yield the errors themselves: each nursery that one passed through wrapped it once more."""
    for error in errors.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _flatten(error)
        else:
            yield error


if __name__ == "__main__":
    main()
