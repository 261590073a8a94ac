"""P13: what has expired is not attempted any more, whatever the gateway was kept from doing in the meantime."""

from collections import Counter

import pytest
import trio

from bench.faults.expiry import EXPIRING_ROWS, LASTING_ROWS, SESSION_WINDOW, outlive
from bench.simulators.apns import ApnsAnswerEvent, ApnsScenario, ApnsStreamLimit
from bench.simulators.server import Latency
from protocol.outcomes import Outcome
from tests.support.journal import START_MS
from tests.support.lanes import make_push_chunk, open_delivery

ROWS = 600
LIFETIMES_MS = tuple(range(1_000, 31_000, 500))


@pytest.mark.parametrize("events", [(), (ApnsAnswerEvent(every=3, status=503, reason="ServiceUnavailable"),)])
async def test_no_attempt_begins_after_expiry_in_a_queue_that_outlives_its_rows(autojump_clock, events):
    """Twenty at once and 0.7 s for each: many rows wait longer than they live, and some are tried again.

    No whole second, in which the engine looks for what has expired: rows that nobody looked at since then come too.
    """
    scenario = ApnsScenario(
        latency=Latency(distribution="fixed", seconds=0.7),
        stream_limit=ApnsStreamLimit(first=20, open=20),
        events=events,
    )
    deadlines = [START_MS + lifetime for lifetime in LIFETIMES_MS]
    async with open_delivery(scenario=scenario) as delivering:
        chunks = [make_push_chunk(first, first + 100, expires_at_ms=deadlines) for first in range(0, ROWS, 100)]
        await delivering.push(*chunks)
        await trio.sleep(60)
        words = await delivering.read()
    begun = [(entry.at, int(entry.destination, 16)) for entry in delivering.simulator.ledger.entries]
    late = [(at, position) for at, position in begun if at >= deadlines[position % 100 % len(deadlines)]]
    outcomes = Counter(word.outcome for word in words.values())
    assert late == []
    assert sorted(words) == list(range(ROWS))
    assert min(outcomes[Outcome.PROVIDER_ACCEPTED], outcomes[Outcome.EXPIRED]) > ROWS / 10


@pytest.mark.long
# After a kill nobody knows which of the rows that were due had left: they end unknown (docs/journal.md).
@pytest.mark.parametrize(("outage", "outcome"), [("frozen", "expired"), ("killed", "unknown")])
async def test_what_expires_while_the_gateway_can_do_nothing_is_not_begun_afterwards(tmp_path, outage, outcome):
    seen = await outlive(tmp_path, outage)
    assert seen.failures() == []
    assert seen.begun_before == SESSION_WINDOW
    assert seen.outcomes[outcome] >= EXPIRING_ROWS - SESSION_WINDOW
    assert seen.lasting_accepted == LASTING_ROWS


@pytest.mark.long
@pytest.mark.planted("P13", "ignore-expiry")
async def test_a_gateway_that_ignores_expiry_is_found_out(tmp_path, defect):
    seen = await outlive(tmp_path, "frozen", plant=defect)
    assert seen.begun_after_expiry == EXPIRING_ROWS - SESSION_WINDOW
