"""What the caller has counted so far: by provider, and which notifications are still without a final answer."""

from collections import Counter
from collections.abc import Collection, Iterable

from bench.demo.plan import BatchPlan
from bench.demo.progress import Counts
from bench.judging.history import ProviderName, Receipt


class Tally:
    """Counts of one run, in notifications."""

    def __init__(self) -> None:
        self._sent: Counter[str] = Counter()
        self._accepted: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()
        self._results: Counter[str] = Counter()
        self._outstanding: set[tuple[str, int]] = set()
        self._ended: set[tuple[str, int]] = set()

    @property
    def outstanding(self) -> int:
        """How many were sent that have no final answer yet."""
        return len(self._outstanding)

    def count_sent(self, batch: BatchPlan) -> None:
        """Take a batch that is about to be sent."""
        self._sent.update(planned.provider for planned in batch.notifications)
        self._outstanding.update((batch.batch_id, index) for index in range(len(batch.notifications)))

    def count_answered(self, batch: BatchPlan, refused: Collection[int]) -> None:
        """Take the answer to a batch: all of it was accepted but for these indexes."""
        for index, planned in enumerate(batch.notifications):
            (self._refused if index in refused else self._accepted)[planned.provider] += 1
        self._outstanding.difference_update((batch.batch_id, index) for index in refused)

    def count_results(self, receipts: Iterable[Receipt]) -> None:
        """Take results."""
        for receipt in receipts:
            key = receipt.batch_id, receipt.index
            if key not in self._ended:  # what was not acknowledged when a connection broke comes again
                self._ended.add(key)
                self._results[receipt.provider] += 1
                self._outstanding.discard(key)

    def counts(self) -> dict[ProviderName, Counts]:
        """Return what was counted so far."""
        return {
            name: Counts(
                sent=self._sent[name],
                accepted=self._accepted[name],
                refused=self._refused[name],
                results=self._results[name],
            )
            for name in ProviderName
        }
