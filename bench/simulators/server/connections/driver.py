"""Moves the bytes of one connection: a task that reads, a task that writes once per wake-up all that was queued."""

from collections.abc import Callable

import msgspec
import trio

from bench.simulators.server.connections.connection import Connection, Ending

_READ_BYTES = 65_536

# A socket closed over unread bytes is reset, and the client may lose our last words. So the client gets a moment to
# close first: longer when it has every reason to.
_LINGER_SECONDS = {Ending.DRAINED: 1.0, Ending.AT_ONCE: 0.1}

_LINK_LOST = (trio.BrokenResourceError, trio.ClosedResourceError)


class Gate:
    """Open, or shut in front of everyone who has read something: a server that has frozen."""

    def __init__(self) -> None:
        self._opened = trio.Event()
        self._opened.set()

    def shut(self) -> None:
        """Let nobody through."""
        if self._opened.is_set():
            self._opened = trio.Event()

    def open(self) -> None:
        """Let everybody through."""
        self._opened.set()

    async def wait_open(self) -> None:
        """Return once the gate is open."""
        while not self._opened.is_set():
            await self._opened.wait()


class LinkPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What the scenario has in store for the bytes of one connection."""

    delay_seconds: float = 0.0
    """The first byte leaves this late."""
    cut_at_received: int | None = None
    cut_at_sent: int | None = None


class ConnectionDriver:
    """One connection from its first byte until its socket is closed; owns the stream."""

    def __init__(
        self,
        stream: trio.abc.Stream,
        gate: Gate,
        plan: LinkPlan,
        make_connection: Callable[[Callable[[], None]], Connection],
    ) -> None:
        self._stream = stream
        self._gate = gate
        self._plan = plan
        self._wake = trio.Event()
        self._received_bytes = self._sent_bytes = 0
        self.connection = make_connection(self._wake_writer)

    async def run(self) -> None:
        """Serve until either side ends the connection, and leave it closed."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._write, nursery.cancel_scope)
                self.connection.open()
                await self._read()
                if self.connection.ending is None or self.connection.ending is Ending.CUT:
                    nursery.cancel_scope.cancel()
        finally:
            self.connection.close()
            await self._close()

    def _wake_writer(self) -> None:
        self._wake.set()

    async def _read(self) -> None:
        """Feed the connection until the client closes or the connection is cut."""
        try:
            while True:
                data = await self._stream.receive_some(_READ_BYTES)
                await self._gate.wait_open()
                if not data:
                    self.connection.cut()
                    return
                if self.connection.ending is None or self.connection.ending is Ending.DRAINED:
                    self._take(bytes(data))
        except _LINK_LOST:
            self.connection.cut()

    def _take(self, data: bytes) -> None:
        position = self._plan.cut_at_received
        if position is not None and self._received_bytes + len(data) >= position:
            data = data[: position - self._received_bytes]
            self.connection.receive(data)
            self.connection.cut()
        else:
            self.connection.receive(data)
        self._received_bytes += len(data)

    async def _write(self, scope: trio.CancelScope) -> None:
        """Send what is queued at each wake-up; at the end cancel ``scope``, and the reader with it."""
        await trio.sleep(self._plan.delay_seconds)
        try:
            while True:
                await self._wake.wait()
                self._wake = trio.Event()
                ending = self.connection.ending
                await self._send(self.connection.take_output())
                if ending is not None:
                    await trio.sleep(_LINGER_SECONDS.get(ending, 0))
                    break
        except _LINK_LOST:
            self.connection.cut()
        scope.cancel()

    async def _send(self, data: bytes) -> None:
        if self._plan.cut_at_sent is not None and self._sent_bytes + len(data) >= self._plan.cut_at_sent:
            data = data[: self._plan.cut_at_sent - self._sent_bytes]
            self.connection.cut()
        if data:
            await self._stream.send_all(data)
        self._sent_bytes += len(data)

    async def _close(self) -> None:
        """Close with TLS's goodbye, except for a cut."""
        if self.connection.ending in _LINGER_SECONDS:
            with trio.move_on_after(_LINGER_SECONDS[Ending.DRAINED], shield=True):
                await self._stream.aclose()
        else:
            await trio.aclose_forcefully(self._stream)
