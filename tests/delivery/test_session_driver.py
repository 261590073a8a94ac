"""One session's tasks: what opens it, what ends it, and that every row's end is told once."""

import pytest
import trio
from h2.errors import ErrorCodes
from h2.settings import SettingCodes
from trio.testing import lockstep_stream_pair, memory_stream_pair, wait_all_tasks_blocked

from gateway.delivery.pacing.limits import SessionLimits
from native import HeaderSet
from protocol.exchanges import Cause, Ending
from tests.support.driver_links import open_driver
from tests.support.http2_peer import DATA, END_HEADERS, END_STREAM, HEADERS, STATUS_200, Peer, frame, goaway_frame
from tests.support.sessions import make_requests


async def open_up(link):
    """Have the first request of the session answered; return the batch it was the first of."""
    requests = make_requests(50)
    assert link.submit(requests, 0, 50) == 1
    await link.flow()
    await link.answer(1)
    return requests


def answer_frame(stream_id):
    return frame(HEADERS, END_HEADERS | END_STREAM, stream_id, STATUS_200)


# What opens a session


async def test_the_first_request_goes_alone_and_its_answer_opens_the_session():
    async with open_driver() as link:
        requests = make_requests(50)
        assert (link.driver.available, link.driver.is_probing) == (1, True)
        assert link.submit(requests, 0, 50) == 1
        assert link.submit(requests, 1, 50) == 0
        await link.flow()
        await link.answer(1, status=410, body=b"{}")
        assert (link.driver.available, link.driver.is_probing) == (1000, False)
        assert link.submit(requests, 1, 50) == 49


async def test_settings_after_the_first_ones_open_the_session():
    async with open_driver(peer=Peer(stream_limit=1)) as link:
        requests = make_requests(50)
        link.submit(requests, 0, 50)
        await link.flow()
        link.peer.connection.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: 500})
        await link.flow()
        assert (link.driver.is_probing, link.driver.available) == (False, 499)


async def test_a_first_request_that_was_refused_opens_nothing():
    async with open_driver() as link:
        link.submit(make_requests(50), 0, 50)
        await link.flow()
        link.peer.connection.reset_stream(1, ErrorCodes.REFUSED_STREAM)
        await link.flow()
        assert [exchange.ending for exchange in link.owner.exchanges] == [Ending.UNPROCESSED]
        assert (link.driver.is_probing, link.driver.available) == (True, 1)


async def test_a_first_request_that_timed_out_opens_nothing(autojump_clock):
    limits = SessionLimits(window=1000, ping_after_seconds=100.0, stall_after_seconds=100.0)
    async with open_driver(limits=limits) as link:
        link.submit(make_requests(50), 0, 50)
        await trio.sleep(31)
        assert [exchange.cause for exchange in link.owner.exchanges] == [Cause.TIMEOUT]
        assert (link.driver.is_probing, link.driver.available) == (True, 1)


async def test_no_more_streams_are_open_than_our_window_and_the_peer_allow():
    async with open_driver(peer=Peer(stream_limit=30), limits=SessionLimits(window=20, ping_after_seconds=10)) as link:
        requests = await open_up(link)
        assert link.driver.stream_limit == 20
        assert link.submit(requests, 1, 50) == 20
        link.peer.connection.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: 5})
        await link.flow()
        assert (link.driver.stream_limit, link.driver.best_stream_limit, link.driver.available) == (5, 20, 0)


# What it sends


class CountingStream(trio.abc.Stream):
    """Counts the writes of the stream it stands in front of."""

    def __init__(self, stream):
        self._stream = stream
        self.writes = 0

    async def send_all(self, data):
        self.writes += 1
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self):
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes=None):
        return await self._stream.receive_some(max_bytes)

    async def aclose(self):
        await self._stream.aclose()


def counting_stream_pair():
    near, far = memory_stream_pair()
    return CountingStream(near), far


async def test_what_everyone_queued_leaves_in_one_write():
    async with open_driver(streams=counting_stream_pair) as link:
        requests = await open_up(link)
        before = link.stream.writes
        for row in range(1, 21):
            link.submit(requests, row, row + 1)
        await link.flow()
        assert len(link.peer.whole) == 21
        assert link.stream.writes == before + 1


async def test_a_renewed_header_is_on_every_request_submitted_after_it():
    async with open_driver() as link:
        requests = await open_up(link)
        link.submit(requests, 1, 2)
        await link.flow()
        link.submit(requests, 2, 3, HeaderSet([(b"authorization", b"bearer new", True)]))
        await link.flow()
        tokens = [link.peer.received[stream_id].header(b"authorization") for stream_id in (1, 3, 5)]
        assert tokens[0] == tokens[1]
        assert tokens[2] == b"bearer new"


# Ending


async def test_a_drained_session_takes_nothing_new_and_ends_when_its_streams_have_ended():
    async with open_driver() as link:
        requests = await open_up(link)
        link.submit(requests, 1, 3)
        link.driver.drain()
        assert (link.driver.available, link.driver.can_submit) == (0, False)
        await link.flow()
        assert link.peer.goaway_code == 0
        await link.send_frames(answer_frame(3))
        assert not link.owner.ends
        await link.send_frames(answer_frame(5))
        assert link.owner.ends == [([], "drained")]
        assert link.owner.ended_rows == [0, 1, 2]
        assert await link.is_closed()


async def test_an_idle_session_ends_as_soon_as_it_is_drained_however_often_that_is_asked():
    async with open_driver() as link:
        await open_up(link)
        link.driver.drain()
        link.driver.drain()
        await link.flow()
        assert link.owner.ends == [([], "drained")]
        link.driver.drain()
        assert await link.is_closed()


async def test_draining_a_session_whose_link_is_gone_is_nothing():
    async with open_driver() as link:
        await open_up(link)
        await link.far_end.send_stream.aclose()
        await wait_all_tasks_blocked()
        link.driver.drain()
        assert link.driver.available == 0
        assert len(link.owner.ends) == 1


async def test_rows_in_flight_are_uncertain_when_written_and_unreachable_when_not():
    async with open_driver(streams=lockstep_stream_pair) as link:
        requests = await open_up(link)
        link.is_silent = True
        stuck = trio.Event()
        link.peer.receive = lambda data: None

        async def read_no_more():
            stuck.set()
            await trio.sleep_forever()

        link.far_end.receive_some = read_no_more
        link.submit(requests, 1, 3)  # the peer's last read takes these
        await wait_all_tasks_blocked()
        await stuck.wait()
        link.submit(requests, 3, 5)  # pulled, and stuck half-way to the peer
        await wait_all_tasks_blocked()
        link.submit(requests, 5, 8)  # behind the stuck write
        await wait_all_tasks_blocked()
        await link.far_end.send_stream.aclose()
        await wait_all_tasks_blocked()
        ((exchanges, why),) = link.owner.ends
    assert why == "closed by the peer"
    assert {exchange.row: exchange.ending for exchange in exchanges} == {
        **dict.fromkeys(range(1, 5), Ending.UNCERTAIN),
        **dict.fromkeys(range(5, 8), Ending.UNREACHABLE),
    }
    assert {exchange.cause for exchange in exchanges} == {Cause.LINK_LOST}


async def test_a_link_that_breaks_is_told_not_raised():
    async with open_driver() as link:
        requests = await open_up(link)
        link.submit(requests, 1, 3)
        await link.flow()
        # Nobody will read what is written from now on, and reading fails.
        link.far_end.receive_stream.close()
        link.submit(requests, 3, 4)
        await wait_all_tasks_blocked()
        ((exchanges, why),) = link.owner.ends
        assert why.startswith("link lost while writing")
        assert sorted(exchange.row for exchange in exchanges) == [1, 2, 3]
        assert await link.is_closed()


async def test_what_a_last_broken_buffer_completed_counts():
    async with open_driver() as link:
        requests = await open_up(link)
        link.submit(requests, 1, 4)
        await link.flow()
        link.peer.answer(3)
        link.peer.answer(5, 410, b'{"reason":"Unregistered"}')
        await link.send_frames(link.peer.take(), frame(DATA, stream_id=0, payload=b"?"))
        ((exchanges, why),) = link.owner.ends
        assert why.startswith("the peer broke HTTP/2: ")
        assert link.owner.succeeded == [0, 1]
        assert [(exchange.row, exchange.ending, exchange.status) for exchange in exchanges] == [
            (2, Ending.ANSWERED, 410),
            (3, Ending.UNCERTAIN, 0),
        ]
        assert await link.is_closed()


async def test_a_goaway_lets_streams_finish_and_then_ends_the_session():
    async with open_driver() as link:
        requests = await open_up(link)
        link.submit(requests, 1, 4)
        await link.flow()
        await link.send_frames(goaway_frame(5, debug_data=b'{"reason":"Shutdown"}'))
        assert not link.driver.can_submit
        assert [(exchange.row, exchange.ending) for exchange in link.owner.exchanges] == [(3, Ending.UNPROCESSED)]
        assert link.driver.take_goaway_data() == b'{"reason":"Shutdown"}'
        assert link.driver.take_goaway_data() is None
        await link.answer(3, 5)
        assert link.owner.ends == [([], "the peer sent GOAWAY")]
        assert link.owner.ended_rows == [0, 1, 2, 3]


async def test_the_first_of_two_reasons_to_end_is_the_one_told(autojump_clock):
    async with open_driver(limits=SessionLimits(window=1000, ping_after_seconds=25, ping_timeout_seconds=5)) as link:
        requests = await open_up(link)
        link.is_silent = True
        link.submit(requests, 1, 2)
        link.driver.drain()
        # The row's deadline and that of the PING are the same: with its last row the drained session is done.
        await trio.sleep(30.5)
        assert [exchange.cause for exchange in link.owner.exchanges] == [Cause.TIMEOUT]
        assert link.owner.ends == [([], "drained")]


# The watchdog


@pytest.mark.parametrize("heard_at", [0.0, 0.3, 0.9])
async def test_a_silent_peer_is_pinged_and_ended_in_the_time_set(autojump_clock, heard_at):
    async with open_driver(limits=SessionLimits(window=1000, ping_after_seconds=10, ping_timeout_seconds=5)) as link:
        requests = await open_up(link)
        link.submit(requests, 1, 3)
        await trio.sleep(heard_at)
        await link.answer(3)
        last_heard_at = trio.current_time()
        link.is_silent = True
        await trio.sleep(14.9)
        assert not link.owner.ends
        await trio.sleep(0.2)
        ((exchanges, why),) = link.owner.ends
        assert trio.current_time() == pytest.approx(last_heard_at + 15.1)
        assert why == "no answer to a PING"
        assert [(exchange.row, exchange.ending) for exchange in exchanges] == [(2, Ending.UNCERTAIN)]


async def test_a_peer_that_answers_pings_is_kept(autojump_clock):
    async with open_driver() as link:
        requests = await open_up(link)
        link.submit(requests, 1, 2)
        await trio.sleep(29)
        assert not link.owner.ends
        assert link.peer.pings == 2


async def test_an_idle_session_is_pinged_after_an_hour_and_not_before(autojump_clock):
    async with open_driver() as link:
        await open_up(link)
        await trio.sleep(3599)
        assert link.peer.pings == 0
        await trio.sleep(2)
        assert link.peer.pings == 1
        assert not link.owner.ends


async def test_a_row_without_an_answer_ends_at_its_deadline_and_the_session_goes_on(autojump_clock):
    async with open_driver() as link:
        requests = await open_up(link)
        await trio.sleep(0.7)
        link.submit(requests, 1, 3)
        await trio.sleep(20)
        await link.answer(3)
        await trio.sleep(9.9)
        assert not link.owner.exchanges
        await trio.sleep(1.2)
        assert [(exchange.row, exchange.cause) for exchange in link.owner.exchanges] == [(2, Cause.TIMEOUT)]
        assert link.peer.received[5].reset_code is not None
        assert link.submit(requests, 3, 4) == 1
        await link.flow()
        await link.answer(7)
        assert link.owner.succeeded == [0, 1, 3]


async def test_idleness_counts_from_the_end_of_the_last_stream(autojump_clock):
    async with open_driver() as link:
        requests = await open_up(link)
        await trio.sleep(7)
        assert link.driver.idle_for(trio.current_time()) == 7
        link.submit(requests, 1, 2)
        await trio.sleep(1)
        assert link.driver.idle_for(trio.current_time()) == 0
        await link.answer(3)
        await trio.sleep(2)
        assert link.driver.idle_for(trio.current_time()) == 2


async def test_its_repr_tells_number_state_and_streams():
    async with open_driver() as link:
        assert repr(link.driver) == "<SessionDriver 1 probing, 0 streams of 1>"
        requests = await open_up(link)
        link.submit(requests, 1, 4)
        assert repr(link.driver) == "<SessionDriver 1 open, 3 streams of 1000>"
        link.driver.drain()
        assert repr(link.driver) == "<SessionDriver 1 draining, 3 streams of 1000>"
