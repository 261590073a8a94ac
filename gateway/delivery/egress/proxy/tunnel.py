"""CONNECT (RFC 9110, section 9.3.6): asks a proxy, over a stream to it, for a tunnel to a server.

A tunnel carries the server's TLS untouched: the proxy sees the server's name and how much is said. Any 2xx opens it.
Nothing of a refusal is repeated but its status and the schemes that it would take a login by: the rest is for people in
browsers.
"""

import re

import h11
import trio

from gateway.config import TcpAddress
from gateway.delivery.egress.proxy.errors import Blame, ProxyError
from gateway.delivery.egress.proxy.login import Login

RECEIVE_BYTES = 4096
# As for the answers of providers. The page that explains a refusal is not read.
HEADERS_LIMIT_BYTES = 16 * 1024
# tinyproxy (1.11) says 401 to a wrong login, and 407 to none.
LOGIN_REFUSED = frozenset((401, 407))

_SCHEME = re.compile(r"\s*([A-Za-z][A-Za-z0-9-]{0,31})(?:\s|,|\Z)")

_REFUSALS = {
    400: "it calls the request bad",
    403: "its rules forbid to connect there: allow this host and port in them, or list the host in egress.no_proxy",
    404: "it doesn't take CONNECT: is it a proxy?",
    405: "it doesn't take CONNECT to there: allow this host and port in its rules",
    429: "it has too much to do",
    500: "it could not connect there",
    501: "it doesn't take CONNECT: is it a proxy for https?",
    502: "it could not connect there",
    503: "it could not connect there, or has too much to do",
    504: "it could not connect there in its time",
}


async def open_tunnel(stream: trio.abc.Stream, target: TcpAddress, login: Login | None) -> None:
    """Have the stream lead to ``target``. Raises ProxyError, also for a link that breaks; the caller closes it."""
    try:
        await stream.send_all(_make_request(target, login))
        await _await_answer(stream, has_login=login is not None)
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        raise _cut_off() from None


def _make_request(target: TcpAddress, login: Login | None) -> bytes:
    name = str(target).removeprefix("tcp:")
    if not name.isascii() or not name.isprintable() or " " in name:
        raise ProxyError("not a host name that CONNECT can carry", Blame.TARGET)
    authority = name.encode()
    fields = [b"host: " + authority] + ([b"proxy-authorization: " + login.authorization] if login else [])
    return b"CONNECT %b HTTP/1.1\r\n%b\r\n\r\n" % (authority, b"\r\n".join(fields))


async def _await_answer(stream: trio.abc.Stream, *, has_login: bool) -> None:
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEADERS_LIMIT_BYTES)
    connection.send(h11.Request(method="CONNECT", target="*", headers=[("host", "*")]))  # tells it what is answered
    connection.send(h11.EndOfMessage())
    received = 0
    while True:
        try:
            event = connection.next_event()
        except h11.RemoteProtocolError as error:
            raise _describe_garbage(received, error) from None
        if isinstance(event, h11.Response):
            return _judge(event, connection, has_login=has_login)
        if event is h11.NEED_DATA:
            data = bytes(await stream.receive_some(RECEIVE_BYTES))
            if not data:
                raise _cut_off()
            received += len(data)
            if received > HEADERS_LIMIT_BYTES:
                raise _too_long()
            connection.receive_data(data)


def _judge(answer: h11.Response, connection: h11.Connection, *, has_login: bool) -> None:
    status = answer.status_code
    if status // 100 == 2:
        data, _ = connection.trailing_data
        if data:
            # A server speaks first in no TLS: these octets are not its own.
            raise ProxyError("it opened the tunnel and then said something itself: is it a proxy?", Blame.TARGET)
        return
    if status in LOGIN_REFUSED:
        raise ProxyError(f"it answered {status}: {_describe_login(answer, has_login=has_login)}", Blame.LOGIN)
    if status // 100 == 3:
        raise ProxyError(f"it answered {status}, a redirect: is a login page in the way?", Blame.TARGET)
    what = _REFUSALS.get(status)
    raise ProxyError(f"it answered {status}" + (f": {what}" if what else " to CONNECT"), Blame.TARGET)


def _describe_login(answer: h11.Response, *, has_login: bool) -> str:
    values = [value.decode("latin-1") for name, value in answer.headers if name == b"proxy-authenticate"]
    schemes = [found[1] for value in values if (found := _SCHEME.match(value))]
    if schemes and not any(scheme.lower() == "basic" for scheme in schemes):
        return f"it takes a login by {', '.join(dict.fromkeys(schemes))} alone, and only Basic is spoken here"
    if has_login:
        return "it refuses user or password: check the file of egress.proxy_login_file"
    return "it wants a login: set egress.proxy_login_file"


def _describe_garbage(received: int, error: h11.RemoteProtocolError) -> ProxyError:
    # The library's own words would repeat what came.
    if received >= HEADERS_LIMIT_BYTES or error.error_status_hint == 431:
        return _too_long()
    return ProxyError("its answer to CONNECT is not HTTP/1.1", Blame.TARGET)


def _too_long() -> ProxyError:
    return ProxyError(f"the headers of its answer to CONNECT have more than {HEADERS_LIMIT_BYTES} bytes", Blame.TARGET)


def _cut_off() -> ProxyError:
    return ProxyError("it hung up instead of answering to CONNECT", Blame.TARGET)
