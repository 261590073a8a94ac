"""P5: a start on a long queue costs little for each row of it, so that it takes a moment even on a million.

The promise's seconds are for its long form; here it is judged by what they are made of: memory and CPU time a row.
"""

import pytest

from bench.measurements.dispatch import watch_dispatch
from bench.measurements.recovery import LIMIT_MIB, LIMIT_SECONDS, fill, take_over

pytestmark = pytest.mark.long

ROWS = 100_000
MIB_ALLOWED = LIMIT_MIB * ROWS / 1_000_000
# Twice, and as much again for what any start costs: the same work takes more CPU time on a crowded machine.
CPU_SECONDS_ALLOWED = 2 * LIMIT_SECONDS * (ROWS / 1_000_000 + 0.1)


@pytest.fixture
def journal(tmp_path):
    """Return a journal with a long queue, as a killed process leaves it."""
    fill(tmp_path, ROWS)
    return tmp_path


async def test_a_start_on_a_long_queue_is_cheap_and_everything_is_sent(journal):
    taken = take_over(journal)
    assert taken.owed == ROWS
    assert taken.above_idle_mib <= MIB_ALLOWED
    assert taken.cpu_seconds <= CPU_SECONDS_ALLOWED
    looks = await watch_dispatch(journal, ROWS)
    assert looks[-1].requests >= ROWS


@pytest.mark.planted("P5", "read-everything")
def test_an_engine_that_reads_all_that_it_owes_at_its_start_is_found_out(journal, defect):
    assert take_over(journal, plant=defect).above_idle_mib > MIB_ALLOWED
