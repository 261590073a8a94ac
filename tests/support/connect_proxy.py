"""A CONNECT proxy on this machine: it really opens tunnels, and says what a test wants where it shall not."""

import ssl
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio
import trustme

MOST_BYTES = 65_536
LOGIN = "gateway:correct horse"


class ConnectProxy:
    """``targets`` are what tunnels were asked for, in order; ``opened`` counts those that were opened.

    ``answers`` are octets said instead of opening a tunnel: to a target, or ``"*"`` to all. After them the connection
    is closed; None says nothing and waits. ``login`` is what is asked for; ``wants`` the challenge that asks.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.targets: list[str] = []
        self.opened = 0
        self.connections = 0
        self.answers: dict[str, bytes | None] = {}
        self.login: str | None = None
        self.wants = b'Basic realm="way out"'
        self.opening = b"HTTP/1.1 200 Connection established\r\n\r\n"

    def answer(self, status: int, target: str = "*", headers: bytes = b"") -> None:
        """Answer a target with a status and a page."""
        self.answers[target] = b"HTTP/1.1 %d No\r\n%bcontent-length: 5\r\n\r\nc4n4r" % (status, headers)

    async def serve(self, client: trio.abc.Stream) -> None:
        """Read one CONNECT and do what it asks."""
        self.connections += 1
        try:
            head = b""
            while b"\r\n\r\n" not in head:
                if not (data := await client.receive_some(MOST_BYTES)):
                    return
                head += data
            await self._obey(client, head)
        except (OSError, trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # who asked has gone
        finally:
            await trio.aclose_forcefully(client)

    async def _obey(self, client: trio.abc.Stream, head: bytes) -> None:
        first, *lines = head.removesuffix(b"\r\n\r\n").decode("ascii").split("\r\n")
        method, target, version = first.split(" ")
        fields: Mapping[str, str] = dict(line.split(": ", 1) for line in lines)
        assert (method, version, fields["host"]) == ("CONNECT", "HTTP/1.1", target)
        self.targets.append(target)
        if self.login is not None and fields.get("proxy-authorization") != f"Basic {encode(self.login)}":
            await client.send_all(
                b"HTTP/1.1 407 Who\r\nproxy-authenticate: %b\r\ncontent-length: 0\r\n\r\n" % self.wants
            )
            return
        for place in (target, "*"):
            if place in self.answers:
                answer = self.answers[place]
                if answer is None:
                    await client.receive_some(MOST_BYTES)
                else:
                    await client.send_all(answer)
                return
        host, _, port = target.rpartition(":")
        async with await trio.open_tcp_stream(host.strip("[]"), int(port)) as server, trio.open_nursery() as nursery:
            await client.send_all(self.opening)
            self.opened += 1
            nursery.start_soon(_copy, server, client, nursery.cancel_scope)
            await _copy(client, server, nursery.cancel_scope)


def encode(login: str) -> str:
    """Return a login as Basic has it."""
    return b64encode(login.encode()).decode()


async def _copy(source: trio.abc.Stream, target: trio.abc.Stream, scope: trio.CancelScope) -> None:
    try:
        while data := await source.receive_some(MOST_BYTES):
            await target.send_all(data)
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        pass
    scope.cancel()


@asynccontextmanager
async def open_connect_proxy(folder: Path | None = None) -> AsyncIterator[ConnectProxy]:
    """Run one for the block. With a folder it is spoken to over TLS; its authority is there, ``proxy-ca.pem``."""
    listeners: list[Any] = list(await trio.open_tcp_listeners(0, host="127.0.0.1"))
    port = listeners[0].socket.getsockname()[1]
    scheme = "http"
    if folder is not None:
        scheme = "https"
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(folder / "proxy-ca.pem"))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost").configure_cert(context)
        listeners = [trio.SSLListener(listener, context, https_compatible=True) for listener in listeners]
    proxy = ConnectProxy(f"{scheme}://localhost:{port}")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, proxy.serve, listeners)
        yield proxy
        nursery.cancel_scope.cancel()
