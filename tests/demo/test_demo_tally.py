"""What the caller counts while a run lasts."""

import pytest

from bench.demo.plan import BatchPlan
from bench.demo.progress import Counts
from bench.demo.tally import Tally
from bench.judging.history import ProviderName, Receipt
from tests.support.demo_plans import make_batches


@pytest.fixture
def batch() -> BatchPlan:
    """A batch of two to each provider, in turns."""
    (batch,) = [batch for batch in make_batches(9, batch_size=6) if batch.content is None]
    return batch


def receipt(batch: BatchPlan, index: int) -> Receipt:
    planned = batch.notifications[index]
    return Receipt(
        batch_id=batch.batch_id,
        index=index,
        id=planned.id,
        provider=planned.provider.value,
        outcome="provider_accepted",
        reason=None,
        provider_id=None,
        attempts=1,
        uncertain_attempts=0,
        received_at=1.0,
    )


def test_every_provider_is_counted_by_itself(batch: BatchPlan):
    tally = Tally()
    tally.count_sent(batch)
    tally.count_answered(batch, refused={1, 3})
    tally.count_results([receipt(batch, 0), receipt(batch, 2)])
    assert tally.counts() == {
        ProviderName.APNS: Counts(sent=2, accepted=1, refused=1, results=1),
        ProviderName.FCM: Counts(sent=2, accepted=1, refused=1, results=0),
        ProviderName.WEBPUSH: Counts(sent=2, accepted=2, refused=0, results=1),
    }


def test_nothing_is_outstanding_once_each_has_a_result_or_was_refused(batch: BatchPlan):
    tally = Tally()
    assert tally.outstanding == 0
    tally.count_sent(batch)
    tally.count_results([receipt(batch, index) for index in (0, 1, 2, 4)])  # results may come before the answer
    tally.count_answered(batch, refused={3})
    assert tally.outstanding == 1
    tally.count_results([receipt(batch, 5)])
    assert tally.outstanding == 0


def test_a_batch_that_is_refused_whole_leaves_nothing_outstanding(batch: BatchPlan):
    tally = Tally()
    tally.count_sent(batch)
    tally.count_answered(batch, refused=range(6))
    assert tally.outstanding == 0


def test_a_result_that_is_read_again_counts_once(batch: BatchPlan):
    tally = Tally()
    tally.count_sent(batch)
    for _ in range(2):
        tally.count_results([receipt(batch, 0)])
    assert tally.counts()[ProviderName.APNS].results == 1
    assert tally.outstanding == 5
