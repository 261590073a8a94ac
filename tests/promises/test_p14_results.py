"""P14: exactly one final record for each accepted notification, read at least once by cursor."""

import pytest

pytestmark = pytest.mark.long


def test_each_accepted_notification_has_one_record_however_often_it_was_read(kill_run):
    findings = kill_run.findings
    records = {(result.batch_id, result.index): result for result in kill_run.history.results}
    assert len(records) == findings.accepted
    assert findings.ended_twice == []
    assert findings.untold == []


def test_what_was_not_acknowledged_when_the_gateway_died_is_read_again(kill_run):
    assert kill_run.findings.results_read_again > 0


@pytest.mark.planted("P14", "drop-result")
async def test_a_gateway_that_leaves_a_result_out_is_found_out(run_planted, defect):
    run = await run_planted(defect, kills=1)
    assert run.findings.lost != []
