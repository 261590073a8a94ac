"""One HTTP/1.1 connection's tasks: when a row's end is certain, what ends the connection, and each end told once."""

import ssl
from contextlib import asynccontextmanager
from functools import partial
from types import SimpleNamespace

import h11
import pytest
import trio
import trustme
from trio.testing import memory_stream_pair, wait_all_tasks_blocked

from gateway.clock import TrioClock
from gateway.config import TcpAddress
from gateway.delivery.egress.dialer import HTTP1, HTTP2, Dialer, client_tls
from gateway.delivery.egress.lookups import Lookups
from gateway.delivery.pacing.limits import SessionLimits
from gateway.delivery.sessions.http1_driver import IDLE_SECONDS, Http1Driver
from native import HeaderSet
from protocol.exchanges import Cause, Ending
from tests.support.driver_links import NotingOwner
from tests.support.patience import HANG_SECONDS
from tests.support.sessions import make_built

LIMITS = SessionLimits(window=100, ping_after_seconds=10.0, answer_timeout_seconds=30.0)
NO_HEADERS = HeaderSet(())
CREATED = b"HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n"


def make_requests(rows=10):
    built = make_built(rows)
    built.requests.owner = partial(SimpleNamespace, columns=built.columns)
    return built.requests


class Link:
    """A driver on one end of a stream; a test speaks as the server on the other."""

    def __init__(self, stream, far_end):
        self.owner = NotingOwner()
        self.stream = stream
        self.far_end = far_end
        self.driver = Http1Driver(
            1, stream, authority=b"push.example.org", limits=LIMITS, clock=TrioClock(), owner=self.owner
        )

    def submit(self, row=0, requests=None):
        requests = requests or make_requests()
        return self.driver.submit(requests, row, len(requests), NO_HEADERS)

    async def hear(self):
        await wait_all_tasks_blocked()
        return await self.far_end.receive_some()

    async def say(self, data):
        await self.far_end.send_all(data)
        await wait_all_tasks_blocked()

    @property
    def endings(self):
        """Every end that was told, in the order of telling."""
        left = [exchange for exchanges, _ in self.owner.ends for exchange in exchanges]
        return [(each.row, each.ending, each.cause, each.status) for each in (*self.owner.exchanges, *left)]

    @property
    def why(self):
        ((_, why),) = self.owner.ends
        return why


@asynccontextmanager
async def open_link(streams=memory_stream_pair):
    link = Link(*streams())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(link.driver.run)
        await wait_all_tasks_blocked()
        yield link
        nursery.cancel_scope.cancel()


def answered(row, status=201):
    return (row, Ending.ANSWERED, Cause.NONE, status)


async def test_rows_go_one_at_a_time_over_the_same_connection():
    async with open_link() as link:
        requests = make_requests()
        for row in range(3):
            assert (link.driver.available, link.driver.in_flight) == (1, 0)
            assert link.submit(row, requests) == 1
            assert (link.driver.available, link.driver.in_flight) == (0, 1)
            assert link.submit(row + 1, requests) == 0
            assert (await link.hear()).startswith(b"POST /3/device/%064x HTTP/1.1\r\n" % row)
            await link.say(CREATED)
        assert link.endings == [answered(0), answered(1), answered(2)]
        assert (link.driver.answered, link.owner.ends) == (3, [])


async def test_an_answer_is_given_with_its_headers_and_its_body():
    async with open_link() as link:
        link.submit()
        await link.hear()
        await link.say(b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n")
        assert link.endings == []
        await link.say(b"HTTP/1.1 410 Gone\r\nContent-Length: 2\r\nX-Reason: left\r\n\r\n{}")
        (exchange,) = link.owner.exchanges
        assert (exchange.status, exchange.body) == (410, b"{}")
        assert exchange.headers == ((b"content-length", b"2"), (b"x-reason", b"left"))
        assert exchange.sent_at <= exchange.ended_at


async def test_after_an_answer_that_closes_no_row_is_taken():
    async with open_link() as link:
        link.submit()
        await link.hear()
        await link.say(b"HTTP/1.1 201 Created\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
        assert (link.endings, link.driver.can_submit, link.submit(1)) == ([answered(0)], False, 0)
        assert link.why == "the connection was not to be used again"


# What is certain


async def test_a_row_that_was_not_handed_to_the_socket_is_unreachable():
    async with open_link() as link:
        # The link is lost before the writer has its turn.
        link.submit()
        link.driver._end("closed by the peer")
        await wait_all_tasks_blocked()
        assert link.endings == [(0, Ending.UNREACHABLE, Cause.LINK_LOST, 0)]


@pytest.mark.parametrize(
    "said", [b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 201 Created\r\ncontent-length: 9\r\n\r\nhal"]
)
async def test_a_row_that_was_handed_over_and_got_no_whole_answer_is_uncertain(said):
    async with open_link() as link:
        link.submit()
        await link.hear()
        if said:
            await link.say(said)
        await link.far_end.aclose()
        await wait_all_tasks_blocked()
        status = 201 if b"201" in said else 0
        assert link.endings == [(0, Ending.UNCERTAIN, Cause.LINK_LOST, status)]
        assert link.why == "closed by the peer"


async def test_an_answer_that_ends_with_the_connection_is_an_answer():
    async with open_link() as link:
        link.submit()
        await link.hear()
        await link.say(b"HTTP/1.1 503 Busy\r\n\r\nlater")
        await link.far_end.aclose()
        await wait_all_tasks_blocked()
        assert link.endings == [answered(0, 503)]


async def test_an_answer_that_comes_before_the_request_is_written_is_the_answer_and_the_last_one():
    async with open_link(trio.testing.lockstep_stream_pair) as link:
        link.submit()
        await link.say(b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n")
        assert link.endings == [answered(0, 413)]
        assert link.why == "the connection was not to be used again"


async def test_a_row_without_an_answer_in_time_is_uncertain_and_its_connection_is_given_up(autojump_clock):
    async with open_link() as link:
        link.submit()
        await link.hear()
        await trio.sleep(29)
        assert link.owner.ends == []
        await trio.sleep(2)
        assert link.endings == [(0, Ending.UNCERTAIN, Cause.TIMEOUT, 0)]
        assert link.why == "no answer within 30 s"


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        (b"HTTP/1.1 103 Early Hints\r\nx: " + b"x" * 17_000, Cause.RESPONSE_TOO_LARGE),
        (b"\x00\x01\x02\r\n\r\n", Cause.MALFORMED_RESPONSE),
    ],
)
async def test_an_answer_above_its_bounds_or_not_http_is_uncertain_and_ends_the_connection(said, cause):
    async with open_link() as link:
        link.submit()
        await link.hear()
        await link.say(said)
        assert [(ending, why) for _, ending, why, _ in link.endings] == [(Ending.UNCERTAIN, cause)]
        assert link.why.startswith("the peer broke HTTP/1.1")


@pytest.mark.parametrize("rest", [b"\r\n" + b"x" * 70_000, b"x: " + b"x" * 17_000], ids=["body", "header"])
async def test_the_status_of_an_answer_above_its_bounds_counts_and_ends_the_connection(rest):
    async with open_link() as link:
        link.submit()
        await link.hear()
        await link.say(b"HTTP/1.1 413 Too Large\r\n" + rest)
        (exchange,) = link.owner.exchanges
        assert (exchange.ending, exchange.status, exchange.body) == (Ending.ANSWERED, 413, b"")
        assert link.why == "the connection was not to be used again"


async def test_cancelling_tells_the_row_in_flight_once_and_closes_the_stream():
    async with open_link() as link:
        link.submit()
        await link.hear()
    assert link.endings == [(0, Ending.UNCERTAIN, Cause.LINK_LOST, 0)]
    with pytest.raises(trio.ClosedResourceError):
        await link.stream.send_all(b"")


# While nothing is asked


async def test_a_connection_that_its_server_closes_in_between_takes_no_row_along():
    async with open_link() as link:
        await link.far_end.aclose()
        await wait_all_tasks_blocked()
        assert (link.endings, link.why, link.driver.available) == ([], "closed by the peer", 0)


async def test_a_server_that_speaks_unasked_is_left():
    async with open_link() as link:
        await link.say(b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\n\r\n")
        assert (link.why, link.driver.can_submit) == ("the peer spoke unasked", False)


async def test_an_idle_connection_is_closed_before_its_server_would(autojump_clock):
    async with open_link() as link:
        await trio.sleep(1)
        link.submit()
        await link.hear()
        await link.say(CREATED)
        await trio.sleep(IDLE_SECONDS - 0.5)
        assert link.owner.ends == []
        await trio.sleep(1)
        assert (link.why, link.driver.is_draining) == ("drained", True)


async def test_a_drained_connection_waits_for_the_row_in_flight():
    async with open_link() as link:
        link.submit()
        await link.hear()
        link.driver.drain()
        assert (link.driver.available, link.owner.ends) == (0, [])
        await link.say(CREATED)
        assert (link.endings, link.why) == ([answered(0)], "drained")


async def test_a_connection_tells_where_it_stands(autojump_clock):
    async with open_link() as link:
        await trio.sleep(2)
        now = trio.current_time()
        assert (link.driver.idle_for(now), link.driver.silent_for(now)) == (2, 2)
        link.submit()
        assert (link.driver.idle_for(now), repr(link.driver)) == (0, "<Http1Driver 1 busy, 0 answered>")


# Over TLS, against a server on the same library's other half


class Server:
    """Answers 201 to requests; ``closes_after`` so many on a connection it says so and closes."""

    def __init__(self, closes_after):
        self.closes_after = closes_after
        self.bodies = []
        self.connections = 0

    async def serve(self, context, transport):
        self.connections += 1
        stream = trio.SSLStream(transport, context, server_side=True, https_compatible=True)
        connection = h11.Connection(h11.SERVER)
        count = 0
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                connection.receive_data(await stream.receive_some())
            elif isinstance(event, h11.Data):
                self.bodies.append(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage):
                count += 1
                headers = [(b"content-length", b"0")]
                headers += [(b"connection", b"close")] if count == self.closes_after else []
                answer = connection.send(h11.Response(status_code=201, headers=headers))
                await stream.send_all(answer + connection.send(h11.EndOfMessage()))
                if count == self.closes_after:
                    return
                connection.start_next_cycle()
            elif isinstance(event, h11.ConnectionClosed):
                return


@asynccontextmanager
async def serving(closes_after):
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    tls = client_tls(None, protocols=(HTTP2, HTTP1))
    authority.configure_trust(tls)
    server = Server(closes_after)
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, partial(server.serve, context), 0, host="127.0.0.1"))
        server.dialer = Dialer(
            TcpAddress("localhost", listeners[0].socket.getsockname()[1]),
            tls,
            timeout_seconds=5.0,
            resolver=Lookups(threads=2, clock=TrioClock()).resolve,
            takes_http1=True,
        )
        yield server
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(("closes_after", "answers"), [(0, 5), (3, 3)])
async def test_over_tls_a_connection_is_kept_until_its_server_says_close(closes_after, answers):
    requests = make_requests()
    with trio.fail_after(HANG_SECONDS):
        async with serving(closes_after) as server:
            dialed = await server.dialer.dial()
            assert not dialed.speaks_http2
            link = Link(dialed.stream, None)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(link.driver.run)
                for row in range(5):
                    link.submit(row, requests)
                    while link.driver.in_flight:  # noqa: ASYNC110 - what is waited for comes over a socket
                        await trio.sleep(0.001)
                nursery.cancel_scope.cancel()
    assert link.endings == [answered(row) for row in range(answers)]
    assert (server.connections, len(server.bodies)) == (1, answers)
