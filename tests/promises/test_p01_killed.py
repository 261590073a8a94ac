"""P1: a gateway killed at named points and random moments loses nothing, and sends nothing that was not submitted."""

import pytest

pytestmark = pytest.mark.long


def test_nothing_accepted_is_lost_and_everything_ends_once(kill_run):
    findings = kill_run.findings
    assert findings.accepted > 500
    assert findings.lost == []
    assert findings.ended_twice == []
    assert findings.never_submitted == []
    assert findings.untold == []


def test_the_kills_struck_in_the_middle_of_work(kill_run):
    points = {kill.point for kill in kill_run.history.kills}
    assert "any moment" in points
    assert sum(" at " in point for point in points) >= 4
    # On an idle machine more than half of them do; a crowded one is slower to send.
    assert sum(repeated > 0 for repeated in kill_run.findings.repeated_by_kill) >= len(kill_run.history.kills) / 5


@pytest.mark.planted("P1", "answer-early")
async def test_a_gateway_that_answers_before_it_is_durable_is_found_out(run_planted, defect):
    run = await run_planted(defect, kills=1)
    assert run.findings.lost != []


@pytest.mark.planted("P1", "answer-just-early")
async def test_a_gateway_that_answers_a_moment_before_it_is_durable_is_found_out(run_planted, defect):
    run = await run_planted(defect, kills=4)
    assert run.findings.lost != []
