"""Every way in which a row or a session can end leaves nothing to the cycle collector."""

import pytest
import trio

from bench.simulators.apns import ApnsAnswerEvent, ApnsScenario
from bench.simulators.server import GoawayEvent, Latency, ResetEvent
from gateway.errors import SessionOpenError
from protocol.outcomes import Outcome
from tests.support.journal import START_MS
from tests.support.lanes import make_push_chunk, open_delivery
from tests.support.leftovers import expecting_no_leftovers, finding_leftovers


class Knot:
    """An object that only the collector can free."""

    def __init__(self):
        self.itself = self


Knot.__module__ = "gateway.knot"


def test_the_finder_finds_a_knot_and_nothing_else():
    with finding_leftovers() as found:
        Knot()
    assert found.names == {"gateway.knot.Knot": 1}
    with finding_leftovers() as found:
        knot = Knot()
    assert not found.names
    del knot.itself


def answering(status, reason, **trigger):
    return ApnsScenario(events=(ApnsAnswerEvent(status=status, reason=reason, **(trigger or {"every": 1})),))


def slow(seconds, *events):
    return ApnsScenario(latency=Latency(distribution="fixed", seconds=seconds), events=events)


def three_chunks(rows=100):
    return [make_push_chunk(first, first + rows) for first in range(0, 3 * rows, rows)]


SCENARIOS = {
    "sent": (ApnsScenario(), Outcome.PROVIDER_ACCEPTED),
    "retried": (answering(503, "ServiceUnavailable", share=0.5, times=150), Outcome.PROVIDER_ACCEPTED),
    "rejected": (answering(410, "Unregistered"), Outcome.REJECTED),
    "given up": (answering(500, "InternalServerError"), Outcome.FAILED),
    "reset": (ApnsScenario(events=(ResetEvent(every=3, code="INTERNAL_ERROR", times=50),)), Outcome.PROVIDER_ACCEPTED),
    "refused": (ApnsScenario(events=(ResetEvent(every=3, code="REFUSED_STREAM", times=50),)), None),
    "session lost": (ApnsScenario(events=(GoawayEvent(every=90, close="at_once", times=5),)), None),
    "credential refused": (answering(403, "InvalidProviderToken", share=1.0, times=2), Outcome.PROVIDER_ACCEPTED),
    "token expired": (answering(403, "ExpiredProviderToken", share=1.0, times=1), Outcome.PROVIDER_ACCEPTED),
    "no answer": (slow(100.0), None),
}


TRIED_OFTEN = ("given up", "no answer")


@pytest.mark.parametrize("kind", SCENARIOS)
async def test_nothing_is_left_of_rows_that_were(autojump_clock, kind):
    scenario, outcome = SCENARIOS[kind]
    chunks = three_chunks(10 if kind in TRIED_OFTEN else 100)
    rows = sum(chunk.rows for chunk in chunks)
    async with open_delivery(scenario=scenario) as delivering:
        with expecting_no_leftovers():
            await delivering.push(*chunks)
            while delivering.engine.statistics().owed_rows:
                await delivering.engine.wait_change()
            delivering.delivery.stop()
            await delivering.wait_ended()
        words = await delivering.read()
    assert len(words) == rows
    assert outcome is None or {word.outcome for word in words.values()} == {outcome}


EXPIRING_MS = START_MS + 2000


async def _expire(delivering):
    delivering.dialer.is_blocked = True
    await delivering.push(make_push_chunk(0, 100, expires_at_ms=[EXPIRING_MS]))
    await trio.sleep(1.0)
    delivering.dialer.is_blocked = False
    await trio.sleep(30.0)
    assert {word.outcome for word in (await delivering.read()).values()} == {Outcome.EXPIRED}


async def _cancel(delivering):
    await delivering.push(*three_chunks())
    await trio.sleep(0.1)
    await delivering.engine.cancel("default", "b", None, START_MS + 100)
    await trio.sleep(30.0)


async def _stop_in_flight(delivering):
    await delivering.push(*three_chunks())
    await trio.sleep(1.0)
    assert delivering.lane().pool.in_flight


async def _cut_in_flight(delivering):
    await delivering.push(*three_chunks())
    await trio.sleep(1.0)
    assert delivering.lane().pool.in_flight
    delivering.cut()


async def _refuse_connections(delivering):
    delivering.dialer.error = SessionOpenError("refused")
    await delivering.push(*three_chunks())
    await trio.sleep(30.0)
    delivering.dialer.error = None
    await trio.sleep(30.0)
    assert len(await delivering.read()) == 300


async def _retire(delivering):
    await delivering.push(*three_chunks())
    await trio.sleep(30.0)
    delivering.delivery._retirement._lanes.popitem()[1].stop()
    await trio.sleep(1.0)


ENDS = {
    "connections refused": _refuse_connections,
    "lane retired": _retire,
    "expired": _expire,
    "cancelled": _cancel,
    "stopped": _stop_in_flight,
    "cut": _cut_in_flight,
}


@pytest.mark.parametrize("end", ENDS)
async def test_nothing_is_left_of_work_that_was(autojump_clock, end):
    async with open_delivery(scenario=slow(5.0)) as delivering:
        with expecting_no_leftovers():
            await ENDS[end](delivering)
            delivering.delivery.stop()
            await delivering.wait_ended()
