"""P7: sessions that go away and streams that are reset lose nothing, and repeat nothing that was answered."""

import pytest

from bench.faults.turbulence import run_turbulence

pytestmark = pytest.mark.long


async def test_goaways_and_resets_lose_nothing_and_repeat_only_what_was_not_answered(tmp_path):
    seen = await run_turbulence(tmp_path, sends=3000, goaways=3, resets=30)
    assert seen.goaways >= 3
    assert seen.unprocessed > 0
    assert seen.resets >= 20
    assert seen.findings.accepted == 3000
    assert list(seen.findings.failures()) == []


@pytest.mark.planted("P7", "send-twice")
async def test_a_gateway_that_sends_twice_is_found_out(tmp_path, defect):
    seen = await run_turbulence(tmp_path, sends=1000, goaways=1, resets=10, plant=defect)
    assert seen.findings.repeated_without_kill != []
