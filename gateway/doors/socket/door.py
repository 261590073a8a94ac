"""The socket door: where callers come in, and how it is closed.

Closing has three steps, each the app's to take: :meth:`SocketDoor.begin_drain` (no new connections, no new batches,
everybody is told), :meth:`SocketDoor.end_when_idle` once delivery is done (results that are there still go out), and
cancelling ``serve``, which cuts whoever is left.
"""

from collections.abc import Callable, Mapping

import msgspec
import structlog
import trio

from gateway.access import Authenticator
from gateway.clock import Clock
from gateway.config import LimitSettings, ListenSettings, TcpAddress, UnixAddress
from gateway.doors.socket.buffers import BufferRoom
from gateway.doors.socket.closing import linger
from gateway.doors.socket.connection import Connection
from gateway.doors.socket.conversation import CANCELS_AT_ONCE, Services
from gateway.doors.socket.listener import AnyListener, open_listeners
from gateway.doors.socket.own_tls import OwnTls
from gateway.doors.socket.peers import WaitingPeers, find_peer
from gateway.intake.admission import Admission, AdmissionStatistics
from gateway.intake.intake import Intake
from gateway.intake.pace import FRUITLESS_SHARE, UNFINISHED_SHARE, Pace, share_of_loop
from gateway.intake.refusals import ShedError, describe_refusal
from gateway.intake.turns import TurnAccount, Turns
from gateway.journal.engine import Engine
from gateway.journal.errors import JournalFailedError
from protocol.frames import encode_frame
from protocol.preparation import AppFacts
from protocol.reasons import Reason

# What makes accept fail (no descriptors, no memory) is over when somebody leaves; trying at once would only spin.
ACCEPT_PAUSE_SECONDS = 0.1
# How many are accepted for each that may be set up: what accepting and closing costs is a tenth or less of that.
ACCEPTED_FOR_EACH = 10
# So many come at once without waiting, after a while in which nobody came: the callers of one host that starts.
ARRIVALS_AT_ONCE = 32
# Being told why costs a task and a while; in a flood most are just closed.
REFUSAL_LIMIT = 32
REFUSAL_SECONDS = 5.0
CONNECTIONS_RETRY_AFTER_MS = 1000

_log: structlog.stdlib.BoundLogger = structlog.get_logger("door")


class DoorStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """Who is connected, and what waits for room."""

    connections: int
    admission: AdmissionStatistics


class SocketDoor:
    """See the module text. ``random_bytes(n)`` returns n unpredictable bytes (``os.urandom``).

    Raises UnusableFileError when the certificate of the settings can't be used.
    """

    def __init__(
        self,
        *,
        listen: ListenSettings,
        limits: LimitSettings,
        engine: Engine,
        apps: Mapping[str, AppFacts],
        authenticator: Authenticator,
        clock: Clock,
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self._listen = listen
        self._tls = OwnTls(listen)
        self._limits = limits
        self._admission = Admission(limits, engine, clock=clock, random_bytes=random_bytes)
        turns = Turns()
        self._services = Services(
            authenticator=authenticator,
            engine=engine,
            intake=Intake(
                engine=engine,
                apps=apps,
                admission=self._admission,
                clock=clock,
                turns=turns,
                random_bytes=random_bytes,
            ),
            admission=self._admission,
            limits=limits,
            clock=clock,
            turns=turns,
            fruitless=share_of_loop(FRUITLESS_SHARE),
            unfinished=share_of_loop(UNFINISHED_SHARE),
            buffers=BufferRoom(limits.connection_buffer_bytes),
            cancels=trio.CapacityLimiter(CANCELS_AT_ONCE),
        )
        self._accepting = trio.CancelScope()
        self._connections: set[Connection] = set()
        self._refusals = 0
        self._is_draining = False

    def __repr__(self) -> str:
        return f"<SocketDoor {len(self._connections)}/{self._limits.connections} connections>"

    def statistics(self) -> DoorStatistics:
        """Return the counts now."""
        return DoorStatistics(connections=len(self._connections), admission=self._admission.statistics())

    def reread_certificate(self) -> bool:
        """Show new connections what the certificate's files have; return whether that is another certificate.

        Raises UnusableFileError, and goes on as it was.
        """
        return self._tls.reread()

    async def serve(
        self,
        *,
        task_status: trio.TaskStatus[list[UnixAddress | TcpAddress]] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Serve callers until the door was drained and the last one has gone. Raises ListenError before it starts.

        The task status gets the addresses, with the real ports.
        """
        async with trio.open_nursery() as connections:
            with self._accepting:
                async with open_listeners(self._listen, self._tls) as bound, trio.open_nursery() as accepting:
                    for each in bound:
                        accepting.start_soon(self._accept, each.listener, connections)
                        _log.info("listening", address=str(each.address))
                    task_status.started([each.address for each in bound])

    def begin_drain(self) -> None:
        """Close the listeners, refuse new batches, say goodbye; what was accepted and its results go on."""
        self._is_draining = True
        self._accepting.cancel()
        self._admission.begin_drain()
        for connection in self._connections:
            connection.begin_drain()

    def end_when_idle(self) -> None:
        """Let every connection end once its batches are answered and the results that are there were sent."""
        for connection in self._connections:
            connection.end_when_idle()

    async def _accept(self, listener: AnyListener, connections: trio.Nursery) -> None:
        """Accept at one pace, and set up at another whose turn it is of those who wait."""
        waiting = WaitingPeers()
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._set_up, waiting, connections)
                await self._accept_into(waiting, listener)
        finally:
            with trio.CancelScope(shield=True):
                for stream in waiting.take_all():
                    await trio.aclose_forcefully(stream)

    async def _accept_into(self, waiting: WaitingPeers, listener: AnyListener) -> None:
        arrivals = _pace_arrivals(ACCEPTED_FOR_EACH * self._limits.connections_per_second)
        while True:
            await arrivals.wait()
            try:
                stream = await listener.accept()
            except OSError as error:
                _log.warning("accept_failed", error=error.strerror)
                await trio.sleep(ACCEPT_PAUSE_SECONDS)
            else:
                dropped = waiting.put(find_peer(stream), stream)
                if dropped is not None:
                    await trio.aclose_forcefully(dropped)

    async def _set_up(self, waiting: WaitingPeers, connections: trio.Nursery) -> None:
        arrivals = _pace_arrivals(self._limits.connections_per_second)
        while True:
            await waiting.wait()
            await arrivals.wait()
            connections.start_soon(self._admit, waiting.take())

    async def _admit(self, stream: trio.abc.Stream) -> None:
        if len(self._connections) < self._limits.connections:
            await self._serve_connection(stream)
        elif self._refusals < REFUSAL_LIMIT:
            await self._refuse(stream)
        else:
            await trio.aclose_forcefully(stream)

    async def _serve_connection(self, stream: trio.abc.Stream) -> None:
        """Serve one connection. The boundary at which a fault of ours ends that one and no other.

        Raises JournalFailedError: nothing can be promised any more, which ends the gateway.
        """
        connection = Connection(stream, self._services)
        self._connections.add(connection)
        if self._is_draining:
            connection.begin_drain()
        ending: BaseExceptionGroup[JournalFailedError] | None = None
        try:
            await connection.serve()
        except* JournalFailedError as failure:
            ending = failure
        except* Exception as fault:  # noqa: BLE001 - the caller boundary
            _log.error("connection_fault", exc_info=fault)
        finally:
            self._connections.discard(connection)
        if ending is not None:
            raise ending

    async def _refuse(self, stream: trio.abc.Stream) -> None:
        """Tell one caller too many why it can't come in."""
        _log.warning("connection_limit_reached", limit=self._limits.connections)
        refusal = ShedError(
            Reason.OVERLOADED, f"the limit of {self._limits.connections} connections", CONNECTIONS_RETRY_AFTER_MS
        )
        self._refusals += 1
        try:
            with trio.move_on_after(REFUSAL_SECONDS):
                await stream.send_all(encode_frame(describe_refusal(refusal)))
                await linger(stream, self._services.turns, TurnAccount(self._services.turns))
        except trio.BrokenResourceError:
            pass  # it did not wait to be told
        finally:
            self._refusals -= 1
            await trio.aclose_forcefully(stream)


def _pace_arrivals(per_second: int) -> Pace:
    """Return how fast callers come in at one address.

    Setting a connection up and taking it down costs the gateway about 1 ms of CPU, with TLS 2 to 3, and those who come
    and go nothing. At a pace they take a part of one core at most. Who is ahead of it waits: accepted to be set up,
    where peers take turns (:mod:`gateway.doors.socket.peers`), and beyond those in the listener's backlog.
    """
    return Pace(1 / per_second, ARRIVALS_AT_ONCE)
