"""P3: a kill repeats at most the streams in flight and what ended within one flush interval before it."""

import pytest

from bench.faults.kill_loop import MOST_REPEATED

pytestmark = pytest.mark.long


def test_a_kill_repeats_no_more_than_was_in_flight_or_not_yet_flushed(kill_run):
    assert max(kill_run.findings.repeated_by_kill) <= MOST_REPEATED


def test_nothing_is_repeated_without_a_kill(kill_run):
    assert kill_run.findings.repeated_without_kill == []


def test_what_is_to_be_reported_instead_is_never_repeated(kill_run):
    reported = {name for name, batch in kill_run.history.submitted.items() if batch.reports_unknown}
    ends = {result.outcome for result in kill_run.history.results if result.batch_id in reported}
    assert kill_run.findings.repeated_though_reported == []
    assert ends == {"provider_accepted", "unknown"}


@pytest.mark.planted("P3", "settle-late")
async def test_a_gateway_that_settles_late_is_found_out(run_planted, defect):
    # Half of the batches are reported instead of repeated; what is left is four times what may be.
    run = await run_planted(defect, kills=1, after_requests=8 * MOST_REPEATED)
    assert max(run.findings.repeated_by_kill) > MOST_REPEATED


@pytest.mark.planted("P3", "retry-reported")
async def test_a_gateway_that_leaves_no_mark_before_it_sends_is_found_out(run_planted, defect):
    # One kill may find nothing of the reported batches in flight; a life that ends at a moment may have sent little.
    run = await run_planted(defect, kills=4, after_requests=2 * MOST_REPEATED)
    assert run.findings.repeated_though_reported != []
