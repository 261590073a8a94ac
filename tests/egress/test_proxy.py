"""Tunnels through a proxy: how they are asked for, what refusals come to, and when the proxy is left alone."""

import re

import pytest
import structlog.testing
import trio

from gateway.config import EgressSettings, TcpAddress
from gateway.delivery.egress.proxy import ProxyError, load_proxy
from gateway.delivery.egress.proxy.errors import Blame
from tests.support.clocks import HandClock
from tests.support.connect_proxy import LOGIN, open_connect_proxy
from tests.support.patience import HANG_SECONDS

TARGET = TcpAddress("push.example.org", 443)


def make_proxy(url, clock=None, **settings):
    faults = []
    proxy = load_proxy(EgressSettings(proxy=url, **settings), clock or HandClock(0.0), lambda least, most: most, faults)
    assert faults == []
    return proxy


def write_login(folder, text=LOGIN + "\n"):
    path = folder / "login"
    path.write_text(text)
    return str(path)


@pytest.fixture
async def server():
    """A server that echoes."""

    async def serve(stream):
        async with stream:
            async for data in stream:
                await stream.send_all(data)

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, serve, 0)
        yield TcpAddress("localhost", listeners[0].socket.getsockname()[1])
        nursery.cancel_scope.cancel()


async def refuse(proxy, target=TARGET, timeout_seconds=HANG_SECONDS):
    with pytest.raises(ProxyError) as raised:
        await proxy.connect(target, timeout_seconds)
    return raised.value


@pytest.mark.parametrize("is_encrypted", [False, True])
@pytest.mark.parametrize("has_login", [False, True])
async def test_a_tunnel_leads_to_the_server(server, tmp_path, is_encrypted, has_login):
    async with open_connect_proxy(tmp_path if is_encrypted else None) as seen:
        seen.login = LOGIN if has_login else None
        proxy = make_proxy(
            seen.url,
            ca_file=str(tmp_path / "proxy-ca.pem") if is_encrypted else None,
            proxy_login_file=write_login(tmp_path) if has_login else None,
        )
        async with await proxy.connect(server, HANG_SECONDS) as tunnel:
            await tunnel.send_all(b"hello")
            assert await tunnel.receive_some() == b"hello"
        assert seen.targets == [f"localhost:{server.port}"]
        assert seen.opened == 1


async def test_an_ipv6_target_stands_in_brackets():
    async with open_connect_proxy() as seen:
        seen.answer(502)
        await refuse(make_proxy(seen.url), TcpAddress("2001:db8::1", 443))
        assert seen.targets == ["[2001:db8::1]:443"]


@pytest.mark.parametrize("host", ["a b", "a\r\nx: y", "bücher.example"])
async def test_what_is_no_host_is_never_written(host):
    async with open_connect_proxy() as seen:
        error = await refuse(make_proxy(seen.url), TcpAddress(host, 443))
        assert "not a host name" in str(error)
        assert seen.targets == []


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (403, "it answered 403: its rules forbid to connect there"),
        (405, "it answered 405: it doesn't take CONNECT to there"),
        (501, "it answered 501: it doesn't take CONNECT"),
        (500, "it answered 500: it could not connect there"),
        (502, "it answered 502: it could not connect there"),
        (503, "it answered 503: it could not connect there"),
        (504, "it answered 504: it could not connect there in its time"),
        (302, "it answered 302, a redirect: is a login page in the way?"),
        (418, "it answered 418 to CONNECT"),
        (b"", "it hung up instead of answering to CONNECT"),
        (b"HTTP/1.1 200", "it hung up instead of answering to CONNECT"),
        (b"SSH-2.0-c4n4r\r\n\r\n", "its answer to CONNECT is not HTTP/1.1"),
        (
            b"HTTP/1.1 200 OK\r\nx: " + b"c4n4r" * 4000,
            "the headers of its answer to CONNECT have more than 16384 bytes",
        ),
        (b"HTTP/1.1 100 Go on\r\n\r\n" * 2000, "the headers of its answer to CONNECT have more than 16384 bytes"),
        (b"HTTP/1.1 200 OK\r\n\r\nc4n4r", "it opened the tunnel and then said something itself"),
    ],
)
async def test_what_a_proxy_says_instead_is_told_and_stops_only_its_target(server, answer, words):
    async with open_connect_proxy() as seen:
        target = "push.example.org:443"
        if isinstance(answer, int):
            seen.answer(answer, target)
        else:
            seen.answers[target] = answer
        proxy = make_proxy(seen.url)
        with structlog.testing.capture_logs() as events:
            error = await refuse(proxy)
            assert str(error).startswith(words)
            assert "c4n4r" not in str(error)
            assert error.blame is Blame.TARGET
            await trio.aclose_forcefully(await proxy.connect(server, HANG_SECONDS))
        assert events == []


async def test_an_interim_answer_is_passed_over(server):
    async with open_connect_proxy() as seen:
        seen.opening = b"HTTP/1.1 103 Wait\r\n\r\nHTTP/1.0 200 Established\r\nvia: us\r\n\r\n"
        await trio.aclose_forcefully(await make_proxy(seen.url).connect(server, HANG_SECONDS))


async def test_a_proxy_that_keeps_silent_about_a_target_is_given_up_and_still_used_for_others(server):
    async with open_connect_proxy() as seen:
        seen.answers["push.example.org:443"] = None
        proxy = make_proxy(seen.url)
        error = await refuse(proxy, timeout_seconds=0.05)
        assert str(error) == "it did not answer to CONNECT within 0.05 s"
        await trio.aclose_forcefully(await proxy.connect(server, HANG_SECONDS))


@pytest.mark.parametrize(
    ("login", "wants", "words"),
    [
        (None, b'Basic realm="c4n4r"', "it answered 407: it wants a login: set egress.proxy_login_file"),
        ("gateway:wrong", b"basic", "it answered 407: it refuses user or password: check the file of"),
        (LOGIN + "x", b"Negotiate, NTLM", "it answered 407: it takes a login by Negotiate alone, and only Basic"),
    ],
)
async def test_a_refused_login_is_told_once_and_nothing_goes_out_for_a_minute(server, tmp_path, login, wants, words):
    async with open_connect_proxy() as seen:
        seen.login, seen.wants = LOGIN, wants
        proxy = make_proxy(seen.url, proxy_login_file=login and write_login(tmp_path, login))
        with structlog.testing.capture_logs() as events:
            errors = [await refuse(proxy), await refuse(proxy, server), await refuse(proxy)]
        assert len(seen.targets) == 1  # a login that is tried again and again may be locked
        assert [str(error).startswith(words) for error in errors] == [True] * 3
        assert str(errors[1]).endswith("; asked again in 60 s")
        assert [error.blame for error in errors] == [Blame.LOGIN] * 3
        assert [(event["event"], event["log_level"], event["proxy"]) for event in events] == [
            ("proxy_failed", "error", seen.url)
        ]
        assert LOGIN not in str((errors, events, proxy))
        # Who corrects the file needs not wait.
        assert proxy.adopt(make_proxy(seen.url, proxy_login_file=write_login(tmp_path)))
        with structlog.testing.capture_logs() as events:
            await trio.aclose_forcefully(await proxy.connect(server, HANG_SECONDS))
        assert [event["event"] for event in events] == ["proxy_in_use_again"]


async def test_a_login_that_is_refused_as_web_servers_do_is_one_that_is_refused(tmp_path):
    async with open_connect_proxy() as seen:
        seen.answer(401)  # tinyproxy
        error = await refuse(make_proxy(seen.url, proxy_login_file=write_login(tmp_path)))
    assert str(error).startswith("it answered 401: it refuses user or password")
    assert error.blame is Blame.LOGIN


async def test_a_proxy_that_is_not_there_is_asked_at_growing_intervals_whoever_asks():
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    await listeners[0].aclose()
    clock = HandClock(0.0)
    proxy = make_proxy(f"http://127.0.0.1:{port}", clock)
    with structlog.testing.capture_logs() as events:
        async with trio.open_nursery() as many:
            for _ in range(50):
                many.start_soon(refuse, proxy)
        error = await refuse(proxy)
        assert re.fullmatch(
            r"no connection to it: \(127\.0\.0\.1\): .*Connection refused; asked again in 1 s", str(error)
        )
        assert error.blame is Blame.PROXY
        waits = []
        for _ in range(8):
            waits.append(float(re.search(r"again in (\d+) s", str(await refuse(proxy)))[1]))
            clock.now += waits[-1]
            assert "asked again" not in str(await refuse(proxy))
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]
    assert clock.now == 183
    assert [event["event"] for event in events] == ["proxy_failed"] * 4  # one a minute


async def test_a_proxy_that_comes_and_goes_is_told_of_once_a_minute(server):
    clock = HandClock(0.0)
    async with open_connect_proxy() as seen:
        proxy = make_proxy(seen.url, clock)
        with structlog.testing.capture_logs() as events:
            for _ in range(100):
                seen.answer(407)
                await refuse(proxy)
                seen.answers.clear()
                clock.now += 1000 / 100
                proxy._next_try_at = 0.0  # whatever its pauses are
                await trio.aclose_forcefully(await proxy.connect(server, HANG_SECONDS))
    told = [event["event"] for event in events]
    assert told[:3] == ["proxy_failed", "proxy_in_use_again", "proxy_failed"]
    assert len(told) == 2 * 17  # one pair in each begun minute of 1000 s


async def test_a_proxy_of_an_unknown_authority_hears_of_no_target(tmp_path):
    async with open_connect_proxy(tmp_path) as seen:
        error = await refuse(make_proxy(seen.url))
        assert "no TLS connection to it: " in str(error)
        assert "certificate verify failed" in str(error)
        assert error.blame is Blame.PROXY
        assert seen.targets == []


async def test_hosts_that_are_excepted_are_not_for_the_proxy():
    proxy = make_proxy(
        "http://localhost:1",
        no_proxy=("push.example.org", "*.inside.example", "10.1.0.0/16", "fd00::/8", "other.example:8443"),
    )
    hosts = {
        ("push.example.org", 443): False,
        ("PUSH.example.org.", 8443): False,
        ("a.push.example.org", 443): True,
        ("inside.example", 443): True,
        ("a.b.inside.example", 443): False,
        ("notinside.example", 443): True,
        ("10.1.2.3", 443): False,
        ("10.2.2.3", 443): True,
        ("fd00::1", 443): False,
        ("other.example", 8443): False,
        ("other.example", 443): True,
    }
    assert {place: proxy.is_for(TcpAddress(*place)) for place in hosts} == hosts


@pytest.mark.parametrize(
    "text", ["", "nobody", "user:", ":password", "user:pass\nmore:lines", "us\x00er:password", b"\xff:x"]
)
def test_a_file_that_has_no_login_is_a_fault_that_shows_nothing_of_it(tmp_path, text):
    path = tmp_path / "login"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    faults = []
    settings = EgressSettings(proxy="http://localhost:3128", proxy_login_file=str(path))
    assert load_proxy(settings, HandClock(0.0), max, faults) is None
    assert [str(fault) for fault in faults] == [f"egress.proxy_login_file: {path}: expected one line user:password"]
