"""How soon a gateway dispatches after a crash: the judgement of what was looked at, and one real restart."""

from random import Random

import pytest

from bench.measurements.dispatch import Look, judge, watch_dispatch
from bench.measurements.queue_load import append_batch
from gateway.clock import SystemClock
from gateway.journal.sqlite import SqliteEngine


def make_looks(rates):
    """Return a look each tenth of a second, at these rates."""
    looks, requests = [], 0
    for number, rate in enumerate(rates, 1):
        looks.append(Look(number / 10, requests))
        requests += rate // 10
    return looks


def test_the_steady_rate_is_that_of_the_later_half_and_the_moment_that_at_which_it_was_near():
    steady, after = judge(make_looks([0] * 20 + [5_000] * 10 + [10_000] * 70))
    assert steady == pytest.approx(10_000)
    assert 2.5 <= after <= 3.1


def test_a_run_too_short_to_tell_is_told():
    with pytest.raises(ValueError, match="more rows"):
        judge(make_looks([10_000] * 8))


@pytest.mark.long
async def test_a_gateway_sends_what_a_journal_holds(tmp_path):
    clock = SystemClock()
    engine = SqliteEngine(tmp_path / "journal", clock)
    await engine.recover()
    for number in range(3):
        await append_batch(engine, f"b{number}", 1000, clock, Random(number))
    await engine.aclose()
    looks = await watch_dispatch(tmp_path / "journal", 3000)
    assert looks[-1].requests == 3000
    assert [look.requests for look in looks] == sorted(look.requests for look in looks)
