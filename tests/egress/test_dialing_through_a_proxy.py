"""What a dialer leaves to a proxy, and what it still judges itself."""

import re
import ssl
from contextlib import suppress

import pytest
import trio
import trustme

from gateway.config import EgressSettings, TcpAddress
from gateway.delivery.egress.dialer import Dialer, client_tls
from gateway.delivery.egress.proxy import load_proxy
from gateway.errors import ProxyUnusableError, SessionOpenError
from protocol.providers.webpush import AddressPolicy
from tests.support.clocks import HandClock
from tests.support.connect_proxy import open_connect_proxy
from tests.support.patience import HANG_SECONDS

PUBLIC_ONLY = AddressPolicy().allows
WITH_LOOPBACK = AddressPolicy(["127.0.0.0/8"]).allows


class Resolver:
    """Answers with addresses, each time with the next answer, and counts."""

    def __init__(self, *answers):
        self.answers = answers
        self.calls = 0

    async def __call__(self, host, port):
        await trio.lowlevel.checkpoint()
        self.calls += 1
        return self.answers[min(self.calls, len(self.answers)) - 1]


def make_dialer(url, host="localhost", port=443, *, resolver=None, lookups="proxy", tls=None, timeout=5.0, **options):
    settings = EgressSettings(proxy=url, lookups=lookups)
    return Dialer(
        TcpAddress(host, port),
        tls or ssl.create_default_context(),
        timeout_seconds=timeout,
        resolver=resolver or Resolver(["127.0.0.1"]),
        proxy=load_proxy(settings, HandClock(0.0), max, []),
        **options,
    )


async def fail(dialer):
    with trio.fail_after(HANG_SECONDS), pytest.raises(SessionOpenError) as raised:
        await dialer.dial()
    return str(raised.value)


@pytest.fixture
async def server(tmp_path):
    """A TLS server that speaks HTTP/2, as far as ALPN goes, or 1.1."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    context.set_alpn_protocols(["h2"])

    async def serve(stream):
        with suppress(trio.BrokenResourceError):
            await stream.receive_some()
        await trio.aclose_forcefully(stream)

    async with trio.open_nursery() as nursery:
        listeners = [
            trio.SSLListener(listener, context, https_compatible=True)
            for listener in await trio.open_tcp_listeners(0, host="127.0.0.1")
        ]
        nursery.start_soon(trio.serve_listeners, serve, listeners)
        yield listeners[0].transport_listener.socket.getsockname()[1], client_tls(tmp_path / "ca.pem")
        nursery.cancel_scope.cancel()


async def test_a_name_goes_to_the_proxy_unresolved_and_tls_is_with_the_server(server):
    port, tls = server
    resolver = Resolver(["127.0.0.1"])
    async with open_connect_proxy() as proxy:
        dialer = make_dialer(proxy.url, port=port, tls=tls, resolver=resolver, is_allowed=PUBLIC_ONLY)
        stream, speaks_http2 = await dialer.dial()
        assert speaks_http2
        await trio.aclose_forcefully(stream)
    assert proxy.targets == [f"localhost:{port}"]
    assert resolver.calls == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "fd00::1"])
async def test_an_address_that_is_not_public_is_not_even_asked_for(host):
    async with open_connect_proxy() as proxy:
        error = await fail(make_dialer(proxy.url, host, is_allowed=PUBLIC_ONLY))
    assert f"none of its addresses ({host}) may be connected to" in error
    assert proxy.connections == 0


async def test_looked_up_here_the_proxy_is_asked_for_the_very_address_that_was_judged(server):
    port, tls = server
    resolver = Resolver(["10.0.0.1", "127.0.0.2"], ["10.0.0.1"])
    async with open_connect_proxy() as proxy:
        options = {"tls": tls, "resolver": resolver, "lookups": "here", "is_allowed": WITH_LOOPBACK}
        dialer = make_dialer(proxy.url, port=port, **options)
        error = await fail(dialer)  # the server listens on 127.0.0.1 alone
        assert re.match(rf"localhost:{port} \(127\.0\.0\.2 through the proxy http://localhost:\d+\): it hung up", error)
        assert "none of its addresses (10.0.0.1) may be connected to" in await fail(dialer)
    assert proxy.targets == [f"127.0.0.2:{port}"]


async def test_looked_up_here_each_dial_tries_another_address_and_the_certificate_is_the_names(server):
    port, tls = server
    async with open_connect_proxy() as proxy:
        options = {"tls": tls, "lookups": "here", "is_allowed": WITH_LOOPBACK}
        dialer = make_dialer(proxy.url, port=port, resolver=Resolver(["127.0.0.2", "127.0.0.1"]), **options)
        await fail(dialer)
        await trio.aclose_forcefully((await dialer.dial()).stream)
    assert proxy.targets == [f"127.0.0.2:{port}", f"127.0.0.1:{port}"]


async def test_a_host_of_the_operators_is_never_looked_up_here(server):
    port, tls = server
    resolver = Resolver([])
    async with open_connect_proxy() as proxy:
        dialer = make_dialer(proxy.url, port=port, tls=tls, resolver=resolver, lookups="here")
        await trio.aclose_forcefully((await dialer.dial()).stream)
    assert (proxy.targets, resolver.calls) == ([f"localhost:{port}"], 0)


async def test_a_proxy_that_can_not_be_used_says_nothing_of_the_server():
    async with open_connect_proxy() as proxy:
        proxy.answer(407)
        with pytest.raises(ProxyUnusableError):
            await make_dialer(proxy.url).dial()
    async with open_connect_proxy() as proxy:
        proxy.answer(502)
        with pytest.raises(SessionOpenError) as raised:
            await make_dialer(proxy.url).dial()
    assert not isinstance(raised.value, ProxyUnusableError)


async def test_what_fails_behind_the_proxy_names_server_and_proxy(server):
    port, _ = server
    async with open_connect_proxy() as proxy:
        place = rf"localhost:{port} \(through the proxy http://localhost:\d+\): "
        assert re.match(place + ".*certificate verify failed", await fail(make_dialer(proxy.url, port=port)))
        proxy.answer(504)
        assert re.match(place + "it answered 504: it could not", await fail(make_dialer(proxy.url, port=port)))
        proxy.answers["*"] = None
        error = await fail(make_dialer(proxy.url, port=port, timeout=0.05))
        assert re.match(place + "it did not answer to CONNECT within 0.05 s", error)
