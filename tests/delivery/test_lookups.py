"""Names are resolved in threads that silence can't use up: once a host, for so long, and not again at once."""

import threading
import time

import pytest
import trio
import trio.testing

from gateway.clock import TrioClock
from gateway.delivery.egress.lookups import (
    CEILING_SECONDS,
    REMEMBERED_HOSTS,
    WAIT_SECONDS,
    LookupFailedError,
    Lookups,
    look_up,
)
from tests.support.clocks import HandClock


class BlockingResolver:
    """Stands in for getaddrinfo: names that contain ``stalled`` block their thread until ``release``."""

    def __init__(self):
        self.asked = []
        self.answered = 0
        self.answers = {}
        self._released = threading.Event()

    def __call__(self, host, port):
        self.asked.append(host)
        if "stalled" in host:
            self._released.wait()
        self.answered += 1
        answer = self.answers.get(host, ["192.0.2.1"])
        if isinstance(answer, Exception):
            raise answer
        return answer

    def release(self):
        self._released.set()


@pytest.fixture
def resolver():
    resolver = BlockingResolver()
    yield resolver
    resolver.release()


@pytest.fixture
def autojump_clock(autojump_clock):
    """Return trio's own, which leaves a thread some real time to answer in before it jumps."""
    autojump_clock.autojump_threshold = 0.2
    return autojump_clock


def make_lookups(resolver, threads=8):
    return Lookups(threads=threads, clock=TrioClock(), look_up=resolver)


async def wait_for(condition):
    """Let threads get on, in real time."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)  # noqa: ASYNC251 - virtual time must stand still
        await trio.lowlevel.checkpoint()


async def fault_of(lookups, host):
    with pytest.raises(LookupFailedError) as failed:
        await lookups.resolve(host, 443)
    return str(failed.value)


async def test_each_lookup_asks_anew_and_those_at_the_same_time_ask_once(resolver):
    lookups = make_lookups(resolver)
    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(lookups.resolve, "a.example", 443)
    assert resolver.asked == ["a.example"]
    resolver.answers["a.example"] = ["192.0.2.2"]
    assert await lookups.resolve("a.example", 443) == ["192.0.2.2"]


async def test_a_host_that_is_not_answered_for_has_one_thread_and_lets_its_askers_go(resolver, autojump_clock):
    lookups = make_lookups(resolver)
    faults = []

    async def ask():
        faults.append(await fault_of(lookups, "stalled.example"))

    async with trio.open_nursery() as nursery:
        for _ in range(300):
            nursery.start_soon(ask)
    assert trio.current_time() == pytest.approx(WAIT_SECONDS)
    assert set(faults) == {"the resolver did not answer within 5 s"}
    assert resolver.asked == ["stalled.example"]
    assert "asked again in 1 s" in await fault_of(lookups, "stalled.example")
    await trio.sleep(2)
    began = trio.current_time()
    await fault_of(lookups, "stalled.example")  # the thread is still out: it is waited for, not doubled
    assert trio.current_time() - began == pytest.approx(WAIT_SECONDS)
    assert resolver.asked == ["stalled.example"]


async def test_hosts_that_had_an_answer_are_looked_up_beside_a_thousand_that_have_none(resolver, autojump_clock):
    lookups = make_lookups(resolver)
    assert await lookups.resolve("good.example", 443)
    async with trio.open_nursery() as nursery:
        for number in range(1000):
            nursery.start_soon(fault_of, lookups, f"stalled-{number}.example")
        await wait_for(lambda: len(resolver.asked) == 5)
        began = trio.current_time()
        for _ in range(3):
            assert await lookups.resolve("good.example", 443)
        assert trio.current_time() == began
        nursery.cancel_scope.cancel()
    assert sum("stalled" in host for host in resolver.asked) == 4
    assert repr(lookups) == "<Lookups 4 of 8 threads, 0 waiting>"


async def test_who_finds_no_thread_waits_for_his_turn_and_has_his_whole_time_then(resolver, autojump_clock):
    lookups = make_lookups(resolver, threads=2)
    found = []

    async def ask(host):
        found.append((host, await lookups.resolve(host, 443)))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(fault_of, lookups, "stalled.example")
        await wait_for(lambda: resolver.asked)
        nursery.start_soon(ask, "first.example")
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(ask, "second.example")
        await trio.sleep(3 * WAIT_SECONDS)
        assert found == []
        resolver.release()
    assert found == [("first.example", ["192.0.2.1"]), ("second.example", ["192.0.2.1"])]
    assert repr(lookups) == "<Lookups 0 of 2 threads, 0 waiting>"


async def test_a_late_answer_ends_the_pause(resolver, autojump_clock):
    lookups = make_lookups(resolver)
    await fault_of(lookups, "stalled.example")
    resolver.release()
    await wait_for(lambda: repr(lookups) == "<Lookups 0 of 8 threads, 0 waiting>")
    assert await lookups.resolve("stalled.example", 443) == ["192.0.2.1"]


async def test_failures_are_remembered_with_growing_pauses_and_an_answer_forgets_them(resolver):
    clock = HandClock(0.0)
    lookups = Lookups(threads=8, clock=clock, look_up=resolver)
    resolver.answers["bad.example"] = OSError(-2, "Name or service not known")
    pauses = []
    for _ in range(9):
        assert "Name or service not known" in await fault_of(lookups, "bad.example")
        asked = len(resolver.asked)
        began = clock.now
        while len(resolver.asked) == asked:
            clock.now += 0.5
            await fault_of(lookups, "bad.example")
        pauses.append(clock.now - began)
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, CEILING_SECONDS, CEILING_SECONDS, CEILING_SECONDS]
    resolver.answers["bad.example"] = ["192.0.2.9"]
    clock.now += CEILING_SECONDS
    assert await lookups.resolve("bad.example", 443) == ["192.0.2.9"]
    resolver.answers["bad.example"] = OSError("again")
    await fault_of(lookups, "bad.example")
    clock.now += 1.0
    assert "asked again" not in await fault_of(lookups, "bad.example")


async def test_no_more_hosts_are_remembered_than_there_may_be_origins(resolver):
    lookups = make_lookups(resolver)
    for number in range(REMEMBERED_HOSTS + 10):
        lookups._fail(f"{number}.example", "why")
    assert len(lookups._failures) == REMEMBERED_HOSTS
    assert "0.example" not in lookups._failures


def test_a_thread_that_outlives_the_loop_harms_nothing(resolver):
    async def ask():
        with trio.move_on_after(0.05):
            await make_lookups(resolver).resolve("stalled.example", 443)

    trio.run(ask)
    resolver.release()
    while not resolver.answered:
        time.sleep(0.01)
    time.sleep(0.05)  # what a thread raises is told by pytest


def test_the_systems_resolver_gives_each_address_once():
    assert "127.0.0.1" in look_up("localhost", 443)
    assert len(set(look_up("localhost", 443))) == len(look_up("localhost", 443))
