"""Progress is judged by answers: sessions that make sound without any, that are idle, and that end."""

import pytest
import trio
from h2.errors import ErrorCodes
from h2.settings import SettingCodes
from trio.testing import wait_all_tasks_blocked

from gateway.delivery.pacing.limits import SessionLimits
from gateway.delivery.sessions.session_driver import KEEPALIVE_SECONDS
from protocol.exchanges import Ending
from tests.support.driver_links import open_driver
from tests.support.http2_peer import DATA, PING, SETTINGS, frame, goaway_frame
from tests.support.sessions import make_requests

STALLING = SessionLimits(window=1000, ping_after_seconds=10, stall_after_seconds=15)


async def open_up(link):
    """Have the first request of the session answered; return the batch it was the first of."""
    requests = make_requests(300)
    link.submit(requests, 0, 300)
    await link.flow()
    await link.answer(1)
    return requests


# What a native call may raise


@pytest.mark.parametrize("touch", ["reads", "times_out", "drains", "pings"])
async def test_a_peer_that_makes_us_answer_more_than_it_reads_ends_its_session_wherever_it_is_noticed(
    autojump_clock, touch
):
    """The queue of control frames is full but for a few octets, and what touches the session next overfills it."""
    async with open_driver() as link:
        requests = await open_up(link)
        assert link.submit(requests, 1, 100) == 99
        await link.flow()

        async def take_nothing(data):
            del data
            await trio.sleep_forever()

        link.stream.send_all = take_nothing
        await link.send_frames(frame(PING, 0, 0, bytes(8)))  # its answer is what the writer is stuck with
        for count in (900, 900, 900, 900, 255):  # libnghttp2 has a bound of its own on what it answers at once
            await link.send_frames(frame(PING, 0, 0, bytes(8)) * count)
        assert not link.owner.ends
        if touch == "reads":
            await link.send_frames(frame(PING, 0, 0, bytes(8)) * 2)
        elif touch == "times_out":
            await trio.sleep(32)
        elif touch == "drains":
            link.driver.drain()
        else:
            link.driver.confirm()
        await wait_all_tasks_blocked()
        await trio.sleep(2)
        ((exchanges, why),) = link.owner.ends
    assert why == "the peer broke HTTP/2: the peer makes us answer more than it reads"
    assert {exchange.ending for exchange in exchanges} == {Ending.UNCERTAIN}
    assert link.owner.ended_rows == list(range(100))


# Stalled sessions


async def test_a_session_that_only_answers_pings_is_stalled_and_ends_with_its_last_stream(autojump_clock):
    async with open_driver(limits=STALLING) as link:
        requests = await open_up(link)
        link.submit(requests, 1, 3)
        await link.flow()
        await trio.sleep(14.5)
        assert not link.driver.is_stalled
        await trio.sleep(2)
        assert link.driver.is_stalled
        assert link.driver.available == 0
        await trio.sleep(2)
        assert not link.owner.ends
        await trio.sleep(20)
        ((exchanges, why),) = link.owner.ends
        assert (exchanges, why) == ([], "no request was answered for 15 s")
        endings = {exchange.row: exchange.ending for exchange in link.owner.exchanges}
        assert (endings[1], endings[2]) == (Ending.UNCERTAIN, Ending.UNCERTAIN)


async def test_rows_behind_a_used_up_connection_window_come_back_in_time_to_go_elsewhere(autojump_clock):
    async with open_driver(limits=STALLING) as link:
        await open_up(link)
        link.peer.acknowledges_bodies = False
        big = make_requests(40, body=b"x" * 4000)
        assert link.submit(big, 0, 40) == 40
        await link.flow()
        for _ in range(20):  # it goes on talking
            await trio.sleep(1)
            await link.send_frames(frame(PING, 0, 0, bytes(8)), frame(SETTINGS, 0, 0, b""))
        unreachable = [exchange.row for exchange in link.owner.exchanges if exchange.ending is Ending.UNREACHABLE]
        assert sorted(unreachable) == list(range(16, 40))
        assert link.driver.in_flight == 16
        assert link.driver.is_stalled


async def test_a_session_that_is_told_no_streams_is_stalled_with_or_without_rows(autojump_clock):
    async with open_driver(limits=STALLING) as link:
        await open_up(link)
        await trio.sleep(100)
        assert not link.driver.is_stalled
        link.peer.connection.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: 0})
        await link.flow()
        await trio.sleep(14)
        assert not link.owner.ends
        await trio.sleep(2)
        assert link.owner.ends == [([], "no request was answered for 15 s")]


async def test_an_answer_ends_a_stall(autojump_clock):
    async with open_driver(limits=STALLING) as link:
        requests = await open_up(link)
        link.submit(requests, 1, 3)
        await trio.sleep(17)
        assert link.driver.is_stalled
        await link.answer(3)
        assert not link.driver.is_stalled
        assert link.driver.available == 999
        await link.answer(5)
        await trio.sleep(100)
        assert not link.owner.ends


async def test_a_steady_trickle_of_answers_is_progress(autojump_clock):
    async with open_driver(limits=STALLING) as link:
        requests = await open_up(link)
        for row in range(1, 10):
            link.submit(requests, row, row + 1)
            await trio.sleep(12)
            await link.answer(2 * row + 1)
            assert not link.driver.is_stalled


# Idle sessions


async def test_a_session_idle_for_long_is_confirmed_before_it_takes_rows(autojump_clock):
    async with open_driver() as link:
        requests = await open_up(link)
        await trio.sleep(59)
        assert (link.driver.is_doubtful, link.driver.available) == (False, 1000)
        await trio.sleep(2)
        assert (link.driver.is_doubtful, link.driver.available) == (True, 0)
        link.driver.confirm()
        await link.flow()
        assert link.peer.pings == 1
        assert (link.driver.is_doubtful, link.driver.available) == (False, 1000)
        assert link.submit(requests, 1, 3) == 2


async def test_a_session_that_was_forgotten_on_the_way_takes_no_row_and_ends(autojump_clock):
    async with open_driver() as link:
        await open_up(link)
        await trio.sleep(61)
        link.is_silent = True
        link.driver.confirm()
        assert not link.driver.is_stalled
        await trio.sleep(2)
        assert link.driver.is_stalled
        assert link.driver.available == 0
        await trio.sleep(4)
        assert link.owner.ends == [([], "no answer to a PING")]


async def test_a_late_answer_to_the_question_makes_a_session_usable_again(autojump_clock):
    async with open_driver() as link:
        await open_up(link)
        await trio.sleep(61)
        link.is_silent = True
        link.driver.confirm()
        await trio.sleep(2.5)
        assert link.driver.is_stalled
        await link.send_frames(frame(SETTINGS, 0, 0, b""))
        assert not link.driver.is_stalled
        assert link.driver.available == 1000


# Last words


async def test_a_drained_idle_session_says_goaway_before_it_closes():
    async with open_driver() as link:
        await open_up(link)
        link.driver.drain()
        await link.flow()
        assert link.peer.goaway_code == ErrorCodes.NO_ERROR
        assert await link.is_closed()


async def test_a_peer_that_broke_a_rule_is_told_which():
    async with open_driver() as link:
        await open_up(link)
        await link.send_frames(frame(DATA, stream_id=0, payload=b"?"))
        await wait_all_tasks_blocked()
        assert link.peer.goaway_code == ErrorCodes.PROTOCOL_ERROR
        assert await link.is_closed()


async def test_a_cancelled_session_and_one_that_the_peer_ends_say_goaway_too():
    async with open_driver() as link:
        await open_up(link)
    assert link.peer.goaway_code is None  # its reader was cancelled as well
    assert (await link.far_end.receive_some())[3] == 7
    async with open_driver() as link:
        await open_up(link)
        await link.send_frames(goaway_frame(1))
        assert link.peer.goaway_code == ErrorCodes.NO_ERROR


async def test_a_peer_that_takes_no_last_words_does_not_hold_up_the_end(autojump_clock):
    async with open_driver() as link:
        await open_up(link)

        async def take_nothing(data):
            del data
            await trio.sleep_forever()

        link.stream.send_all = take_nothing
        began = trio.current_time()
        link.driver.drain()
        await trio.sleep(1.5)
        assert len(link.owner.ends) == 1
        assert trio.current_time() - began < 2
        del link.stream.send_all
        assert await link.is_closed()


async def test_the_hourly_ping_of_an_idle_session_stays(autojump_clock):
    async with open_driver() as link:
        await open_up(link)
        await trio.sleep(KEEPALIVE_SECONDS + 2)
        assert link.peer.pings == 1
        assert link.driver.available == 1000


# Long turns


async def test_what_a_session_reads_in_turns_is_all_read():
    async with open_driver() as link:
        requests = await open_up(link)
        link.submit(requests, 1, 200)
        await link.flow()
        block = b"\x88" + b"\x40\x01a\x7f\xdd\x1e" + b"v" * 4060 + b"\xbe\xbe"
        for stream_id in range(3, 400, 2):
            await link.far_end.send_all(frame(1, 5, stream_id, block))
        await wait_all_tasks_blocked()
        assert link.owner.succeeded == list(range(200))
