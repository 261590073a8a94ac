"""Opening TLS connections: where to, with what demands, and what is said when it does not come to one."""

import socket
import ssl
import threading
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from functools import partial
from itertools import pairwise

import pytest
import trio
import trustme

from gateway.clock import TrioClock
from gateway.config import TcpAddress
from gateway.delivery.egress.dialer import Dialer, client_tls
from gateway.delivery.egress.lookups import WAIT_SECONDS, Lookups
from gateway.delivery.egress.racing import MOST_ADDRESSES, interleave_families
from gateway.errors import SessionOpenError
from tests.support.patience import HANG_SECONDS


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def ca_file(authority, tmp_path):
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


def server_tls(authority, *, alpn=("h2",), newest=ssl.TLSVersion.TLSv1_3):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    context.set_alpn_protocols(list(alpn))
    if newest < ssl.TLSVersion.TLSv1_2:
        allow_tls_1_1(context)
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            context.maximum_version = newest
    return context


def allow_tls_1_1(context):
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = ssl.TLSVersion.TLSv1_1


class Listening:
    """What a listener saw of its clients."""

    def __init__(self, port):
        self.port = port
        self.connections = []
        self.open = 0
        self.connected = trio.Event()
        self.ended = trio.Event()


@asynccontextmanager
async def listening(context):
    """Listen on all of 127.0.0.0/8; None as context: take connections and say nothing."""

    async def serve(transport):
        seen.connections.append(transport.socket.getsockname()[0])
        seen.connected.set()
        seen.open += 1
        try:
            if context is None:
                await transport.receive_some()
                await transport.receive_some()
            else:
                stream = trio.SSLStream(transport, context, server_side=True, https_compatible=True)
                await stream.receive_some()
        except trio.BrokenResourceError:
            pass
        seen.open -= 1
        seen.ended.set()
        await trio.aclose_forcefully(transport)

    listeners = await trio.open_tcp_listeners(0, host="0.0.0.0")  # noqa: S104 - several loopback addresses
    seen = Listening(listeners[0].socket.getsockname()[1])
    with trio.fail_after(HANG_SECONDS):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.serve_listeners, serve, listeners)
            yield seen
            nursery.cancel_scope.cancel()


def resolving_to(*answers):
    """Resolve to each of ``answers`` in turn, and to the last one from then on."""
    calls = []

    async def resolver(host, port):
        calls.append((host, port))
        await trio.lowlevel.checkpoint()
        return answers[min(len(calls), len(answers)) - 1]

    resolver.calls = calls
    return resolver


def make_dialer(port, ca_file=None, *, host="localhost", tls=None, resolver=None, timeout_seconds=5.0, **options):
    return Dialer(
        TcpAddress(host, port),
        tls or client_tls(ca_file),
        timeout_seconds=timeout_seconds,
        resolver=resolver or resolving_to(["127.0.0.1"]),
        **options,
    )


async def dial_and_close(dialer):
    await trio.aclose_forcefully((await dialer.dial()).stream)


async def test_the_name_is_resolved_anew_for_each_connection(authority, ca_file):
    resolver = resolving_to(["127.0.0.1"], ["127.0.0.2"], ["127.0.0.3"])
    async with listening(server_tls(authority)) as server:
        dialer = make_dialer(server.port, ca_file, resolver=resolver)
        for _ in range(3):
            await dial_and_close(dialer)
    assert resolver.calls == [("localhost", server.port)] * 3
    assert server.connections == ["127.0.0.1", "127.0.0.2", "127.0.0.3"]


@pytest.mark.parametrize("turn", [0, 1, 2], ids=["same_order", "rotated_to_the_left", "rotated_to_the_right"])
async def test_connections_are_spread_over_all_addresses_in_whatever_order_they_are_given(authority, ca_file, turn):
    addresses = ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
    answers = [addresses[at * turn % 3 :] + addresses[: at * turn % 3] for at in range(6)]
    async with listening(server_tls(authority)) as server:
        dialer = make_dialer(server.port, ca_file, resolver=resolving_to(*answers))
        for _ in range(6):
            await dial_and_close(dialer)
    assert all(earlier != later for earlier, later in pairwise(server.connections))
    assert sorted(server.connections) == sorted(addresses * 2)


async def test_the_next_address_is_tried_at_once_when_one_refuses(authority, ca_file):
    # Nobody listens on the IPv6 loopback.
    async with listening(server_tls(authority)) as server:
        dialer = make_dialer(server.port, ca_file, resolver=resolving_to(["::1", "127.0.0.1"]))
        await dial_and_close(dialer)
        await dial_and_close(dialer)
    assert server.connections == ["127.0.0.1"] * 2


@contextmanager
def dead_address(port):
    """Make 127.0.0.2 drop every SYN to ``port``, as on a dead route: its queue is full, and nobody takes from it."""
    with ExitStack() as sockets:
        deaf = sockets.enter_context(socket.socket())
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        deaf.bind(("127.0.0.2", port))
        deaf.listen(0)
        for _ in range(4):
            waiting = sockets.enter_context(socket.socket())
            waiting.setblocking(False)
            with suppress(BlockingIOError):
                waiting.connect(("127.0.0.2", port))
        yield "127.0.0.2"


async def test_a_dead_address_does_not_keep_its_caller_from_the_next_one(authority, ca_file):
    tls = server_tls(authority)

    async def serve(transport):
        stream = trio.SSLStream(transport, tls, server_side=True, https_compatible=True)
        with suppress(trio.BrokenResourceError):
            await stream.receive_some()

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, serve, 0, host="127.0.0.1"))
        port = listeners[0].socket.getsockname()[1]
        with dead_address(port) as dead:
            dialer = make_dialer(port, ca_file, resolver=resolving_to([dead, "127.0.0.1"]), timeout_seconds=60.0)
            with trio.fail_after(HANG_SECONDS):  # the system gives up after two minutes
                for _ in range(3):
                    await dial_and_close(dialer)
        nursery.cancel_scope.cancel()


async def test_every_address_that_failed_is_named():
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    await listeners[0].aclose()
    dialer = make_dialer(port, resolver=resolving_to(["127.0.0.1", "127.0.0.3"]))
    with pytest.raises(SessionOpenError, match=r"\(127\.0\.0\.1\): .*refused; \(127\.0\.0\.3\): .*refused$"):
        await dialer.dial()


async def test_connections_that_lost_the_race_are_closed(authority, ca_file, monkeypatch):
    async with listening(server_tls(authority)) as server:
        monkeypatch.setattr("gateway.delivery.egress.racing.NEXT_AFTER_SECONDS", 0.0)
        dialer = make_dialer(server.port, ca_file, resolver=resolving_to(["127.0.0.1", "127.0.0.2", "127.0.0.3"]))
        for _ in range(5):
            await dial_and_close(dialer)
        while server.open:  # noqa: ASYNC110 - the sockets of losers tell nobody
            await trio.sleep(0.01)


def test_families_are_tried_by_turns_and_not_all_of_a_stranger():
    assert interleave_families(["::1", "::2", "::3", "1.1.1.1"]) == ["::1", "1.1.1.1", "::2", "::3"]
    assert interleave_families(["1.1.1.1", "1.1.1.2"]) == ["1.1.1.1", "1.1.1.2"]
    assert len(interleave_families([f"1.1.1.{number}" for number in range(200)])) == MOST_ADDRESSES


async def test_the_connection_speaks_tls_and_has_agreed_on_h2(authority, ca_file):
    async with listening(server_tls(authority)) as server:
        stream, speaks_http2 = await make_dialer(server.port, ca_file).dial()
        assert speaks_http2
        assert stream.selected_alpn_protocol() == "h2"
        assert stream.version() in {"TLSv1.2", "TLSv1.3"}
        await trio.aclose_forcefully(stream)


@pytest.mark.parametrize("alpn", [("http/1.1",), ()])
async def test_a_server_that_does_not_agree_on_h2_is_left(authority, ca_file, alpn):
    async with listening(server_tls(authority, alpn=alpn)) as server:
        with pytest.raises(SessionOpenError, match=rf"localhost:{server.port}.*HTTP/2"):
            await make_dialer(server.port, ca_file).dial()
        await server.ended.wait()


@pytest.mark.parametrize(("alpn", "speaks_http2"), [(("http/1.1",), False), ((), False), (("h2", "http/1.1"), True)])
async def test_where_http_1_1_will_do_a_server_may_choose_either(authority, ca_file, alpn, speaks_http2):
    tls = client_tls(ca_file, protocols=["h2", "http/1.1"])
    context = server_tls(authority, alpn=alpn)
    async with listening(context) as server:
        dialed = await make_dialer(server.port, tls=tls, takes_http1=True).dial()
        assert dialed.speaks_http2 is speaks_http2
        await trio.aclose_forcefully(dialed.stream)


async def test_a_server_older_than_tls_1_2_is_refused(authority, ca_file):
    lenient = client_tls(ca_file)
    allow_tls_1_1(lenient)
    async with listening(server_tls(authority, newest=ssl.TLSVersion.TLSv1_1)) as server:
        with pytest.raises(SessionOpenError):
            await make_dialer(server.port, ca_file).dial()
        # It is the version alone that was in the way.
        await dial_and_close(make_dialer(server.port, tls=lenient))


async def test_a_certificate_of_an_unknown_authority_is_refused(authority):
    async with listening(server_tls(authority)) as server:
        with pytest.raises(SessionOpenError, match=rf"localhost:{server.port}.*certificate verify failed"):
            await make_dialer(server.port).dial()


async def test_a_certificate_for_another_name_is_refused(authority, ca_file):
    async with listening(server_tls(authority)) as server:
        with pytest.raises(SessionOpenError, match=r"api\.example\.com.*(?i:mismatch)"):
            await make_dialer(server.port, ca_file, host="api.example.com").dial()


async def test_a_refused_connection_names_the_server_the_address_and_the_fault():
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    await listeners[0].aclose()
    with pytest.raises(SessionOpenError, match=rf"^localhost:{port} \(127\.0\.0\.1\): .*Connection refused$"):
        await make_dialer(port).dial()


async def test_a_server_that_hangs_up_in_the_handshake_is_told():
    async def hang_up(transport):
        await transport.receive_some(1)
        await transport.aclose()

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, hang_up, 0)
        port = listeners[0].socket.getsockname()[1]
        with (
            trio.fail_after(HANG_SECONDS),
            pytest.raises(SessionOpenError, match=rf"^localhost:{port} \(127\.0\.0\.1\): \S"),
        ):
            await make_dialer(port).dial()
        nursery.cancel_scope.cancel()


async def test_a_server_that_says_nothing_is_given_up_and_its_connection_closed():
    async with listening(None) as server:
        with pytest.raises(SessionOpenError, match=rf"^localhost:{server.port}: no connection within 0\.05 s$"):
            await make_dialer(server.port, timeout_seconds=0.05).dial()
        await server.ended.wait()


async def test_a_resolver_that_hangs_is_given_up(autojump_clock):
    is_over = threading.Event()

    def hang(host, port):
        is_over.wait(HANG_SECONDS)
        return []

    lookups = Lookups(threads=2, clock=TrioClock(), look_up=hang)
    try:
        with pytest.raises(SessionOpenError, match=f"the resolver did not answer within {WAIT_SECONDS:g} s"):
            await make_dialer(443, resolver=lookups.resolve).dial()
        assert trio.current_time() == WAIT_SECONDS
    finally:
        is_over.set()


async def test_a_name_without_an_address_is_told():
    with pytest.raises(SessionOpenError, match=r"^localhost:443: the name has no address$"):
        await make_dialer(443, resolver=resolving_to([])).dial()


@pytest.mark.parametrize("host", ["a..example", "x" * 64 + ".example", ".example"])
async def test_a_name_that_no_resolver_can_be_asked_for_is_told(host):
    with pytest.raises(SessionOpenError, match=rf"^{host}:443: not a host name"):
        await make_dialer(443, host=host, resolver=Lookups(threads=2, clock=TrioClock()).resolve).dial()


async def test_a_connection_is_closed_when_its_handshake_is_cancelled():
    async with listening(None) as server:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(make_dialer(server.port).dial)
            await server.connected.wait()
            nursery.cancel_scope.cancel()
        await server.ended.wait()


async def test_a_client_certificate_is_presented(authority, ca_file, tmp_path):
    certificate = authority.issue_cert(common_name="Apple Push Services: com.example.shop")
    certificate.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "client.pem"))
    context = server_tls(authority)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    presented = []

    async def serve(transport):
        stream = trio.SSLStream(transport, context, server_side=True, https_compatible=True)
        await stream.do_handshake()
        presented.append(stream.getpeercert())
        await trio.aclose_forcefully(stream)

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, serve, 0)
        tls = client_tls(ca_file, (tmp_path / "client.pem", tmp_path / "client.pem"))
        stream, _ = await make_dialer(listeners[0].socket.getsockname()[1], tls=tls).dial()
        await stream.receive_some()
        await trio.aclose_forcefully(stream)
        nursery.cancel_scope.cancel()
    assert presented[0]["subject"][-1] == (("commonName", "Apple Push Services: com.example.shop"),)
