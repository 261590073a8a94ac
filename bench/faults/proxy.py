"""A TCP proxy on the loopback that delays, cuts, swallows, or hands on byte by byte what goes through it.

Its manner may change at any time and holds for what is read from then on. Only `black_hole` is what a real network
does when a cable is pulled: nothing goes through, and neither side is told.
"""

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

READ_BYTES = 64 * 1024


class TcpProxy:
    """Hands connections on to ``target_port``; made by `open_proxy`."""

    def __init__(self, target_port: int) -> None:
        self.port = 0
        self.delay_seconds = 0.0
        self.is_byte_by_byte = False
        self.cut_after_bytes = math.inf
        """A connection is cut once it has handed on so many bytes, both ways together."""
        self.connected_at: list[float] = []
        """The moment of each connection, in seconds of trio's clock."""
        self._target_port = target_port
        self._swallowed: set[int] = set()

    @property
    def connections(self) -> int:
        """How many connections there were."""
        return len(self.connected_at)

    def __repr__(self) -> str:
        return f"<TcpProxy {self.port} -> {self._target_port}: {self.connections} connections>"

    def black_hole(self) -> None:
        """Swallow from now on what goes through the connections that are open now; new ones are not touched."""
        self._swallowed.update(range(1, self.connections + 1))

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled."""
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        self.port = listeners[0].socket.getsockname()[1]
        task_status.started()
        await trio.serve_listeners(self._serve, listeners)

    async def _serve(self, client: trio.SocketStream) -> None:
        self.connected_at.append(trio.current_time())
        connection = _Connection(self, self.connections)
        server = await trio.open_tcp_stream("127.0.0.1", self._target_port)
        async with client, server, trio.open_nursery() as nursery:
            nursery.start_soon(connection.copy, client, server, nursery.cancel_scope)
            nursery.start_soon(connection.copy, server, client, nursery.cancel_scope)

    def swallows(self, connection: int) -> bool:
        """Whether nothing gets through a connection."""
        return connection in self._swallowed


class _Connection:
    """One connection, both ways."""

    def __init__(self, proxy: TcpProxy, number: int) -> None:
        self._proxy = proxy
        self._number = number
        self._handed_on = 0

    async def copy(self, source: trio.SocketStream, target: trio.SocketStream, scope: trio.CancelScope) -> None:
        """Hand on one way, until either side ends or the connection is cut; then both ways end."""
        try:
            while data := await source.receive_some(READ_BYTES):
                if not await self._hand_on(data, target):
                    break
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        scope.cancel()

    async def _hand_on(self, data: bytes, target: trio.SocketStream) -> bool:
        """Hand on as the proxy wants it now; False when the connection is to be cut."""
        if self._proxy.delay_seconds:
            await trio.sleep(self._proxy.delay_seconds)
        if self._proxy.swallows(self._number):
            return True
        kept = data[: max(0, int(min(len(data), self._proxy.cut_after_bytes - self._handed_on)))]
        self._handed_on += len(kept)
        step = 1 if self._proxy.is_byte_by_byte else READ_BYTES
        for at in range(0, len(kept), step):
            await target.send_all(kept[at : at + step])
        return len(kept) == len(data)


@asynccontextmanager
async def open_proxy(target_port: int) -> AsyncIterator[TcpProxy]:
    """Run a proxy for the block."""
    proxy = TcpProxy(target_port)
    async with trio.open_nursery() as nursery:
        await nursery.start(proxy.run)
        yield proxy
        nursery.cancel_scope.cancel()
