"""Host names to addresses, in threads that a resolver which doesn't answer can't use up.

A resolver may leave a name unanswered for half a minute, and nothing can interrupt the call. So there is one lookup a
host at a time, whoever asks for it; hosts wait for a thread in their order, and once one has it, its askers are let go
after ``WAIT_SECONDS``; a host that failed is asked again no sooner than its growing delay allows; and half of the
threads are kept for hosts that had an answer the last time, so that strangers' names (Web Push) don't keep the known
ones from being looked up. Each kind of provider has its own ``Lookups``. Successes are not remembered: Apple asks to
resolve anew before each connection (docs/apns.md#connections).
"""

import socket
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import trio

from gateway.clock import Clock

if TYPE_CHECKING:
    import outcome

WAIT_SECONDS = 5.0  # a resolver's first try of its first server takes 5 s by default; names in use are cached below it
FIRST_DELAY_SECONDS = 1.0
CEILING_SECONDS = 60.0
REMEMBERED_HOSTS = 10_000  # as many as there may be origins; some 200 bytes each

LookUp = Callable[[str, int], Sequence[str]]
K = TypeVar("K")
V = TypeVar("V")


def look_up(host: str, port: int) -> Sequence[str]:
    """Return a host's IP addresses, in the resolver's order, each once. Blocks; raises OSError and UnicodeError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class LookupFailedError(Exception):
    """A host has no address for now; the message says why, without the host."""


class _Lookup:
    """One lookup, waiting for a thread or in one. ``fault`` says why it has no ``addresses``."""

    __slots__ = ("addresses", "ended", "fault", "host", "is_known", "port", "started", "waiting")

    def __init__(self, host: str, port: int, *, is_known: bool) -> None:
        self.host = host
        self.port = port
        self.is_known = is_known
        self.waiting = 0
        self.started = trio.Event()
        self.ended = trio.Event()
        self.addresses: Sequence[str] = ()
        self.fault: str | None = None


class Lookups:
    """The lookups of one kind of provider. ``threads`` at most are in use, half of them by unknown hosts."""

    def __init__(self, *, threads: int, clock: Clock, look_up: LookUp = look_up) -> None:
        self._threads = threads
        self._clock = clock
        self._look_up = look_up
        self._current: dict[str, _Lookup] = {}
        # By whether the host is known; those that wait for a thread, in their order.
        self._queues: dict[bool, dict[_Lookup, None]] = {True: {}, False: {}}
        self._running = {True: 0, False: 0}
        self._known: dict[str, None] = {}
        self._failures: dict[str, tuple[int, float, str]] = {}  # host → how many in a row, not again before, why

    def __repr__(self) -> str:
        waiting = sum(len(queue) for queue in self._queues.values())
        return f"<Lookups {sum(self._running.values())} of {self._threads} threads, {waiting} waiting>"

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        """Return the host's addresses, at most ``WAIT_SECONDS`` after it got a thread. Raises LookupFailedError."""
        failures, retry_at, why = self._failures.get(host, (0, 0.0, ""))
        wait = retry_at - self._clock.monotonic()
        if failures and wait > 0:
            raise LookupFailedError(f"{why}; asked again in {wait:.0f} s")
        lookup = self._current.get(host) or self._begin(host, port)
        lookup.waiting += 1
        try:
            await lookup.started.wait()
            with trio.move_on_after(WAIT_SECONDS):
                await lookup.ended.wait()
        finally:
            lookup.waiting -= 1
            if not lookup.waiting and not lookup.started.is_set():
                self._drop(lookup)
        if not lookup.ended.is_set():
            self._note_late(lookup)
        if lookup.fault is not None:
            raise LookupFailedError(lookup.fault)
        return lookup.addresses

    def _note_late(self, lookup: _Lookup) -> None:
        """Note once, for all who wait, that a lookup is overdue."""
        if lookup.fault is None:
            lookup.fault = f"the resolver did not answer within {WAIT_SECONDS:g} s"
            self._fail(lookup.host, lookup.fault)

    def _begin(self, host: str, port: int) -> _Lookup:
        lookup = self._current[host] = _Lookup(host, port, is_known=host in self._known)
        self._queues[lookup.is_known][lookup] = None
        self._start_waiting()
        return lookup

    def _drop(self, lookup: _Lookup) -> None:
        """Forget a lookup that nobody waits for any more and that has no thread."""
        if self._current.get(lookup.host) is lookup:
            del self._current[lookup.host]
            del self._queues[lookup.is_known][lookup]

    def _start_waiting(self) -> None:
        """Give free threads to those that wait, known hosts first."""
        for is_known, queue in self._queues.items():
            while queue and self._has_thread(is_known=is_known):
                lookup = next(iter(queue))
                del queue[lookup]
                lookup.started.set()
                self._running[is_known] += 1
                land = partial(self._land, trio.lowlevel.current_trio_token(), lookup)
                trio.lowlevel.start_thread_soon(partial(self._look_up, lookup.host, lookup.port), land)

    def _has_thread(self, *, is_known: bool) -> bool:
        if sum(self._running.values()) >= self._threads:
            return False
        return is_known or self._running[False] < self._threads // 2

    def _land(self, token: trio.lowlevel.TrioToken, lookup: _Lookup, found: "outcome.Outcome[Sequence[str]]") -> None:
        """Hand a result from its thread to the loop, which may have ended in the meantime."""
        try:
            token.run_sync_soon(self._end, lookup, found)
        except trio.RunFinishedError:
            return

    def _end(self, lookup: _Lookup, found: "outcome.Outcome[Sequence[str]]") -> None:
        del self._current[lookup.host]
        self._running[lookup.is_known] -= 1
        try:
            lookup.addresses = found.unwrap()
        except UnicodeError as error:
            lookup.fault = f"not a host name ({error})"
        except OSError as error:
            lookup.fault = str(error)
        else:
            lookup.fault = None
            self._failures.pop(lookup.host, None)
            _remember(self._known, lookup.host, None)
        if lookup.fault is not None:
            self._fail(lookup.host, lookup.fault)
        lookup.ended.set()
        self._start_waiting()

    def _fail(self, host: str, why: str) -> None:
        failures, _, _ = self._failures.get(host, (0, 0.0, ""))
        delay = min(CEILING_SECONDS, FIRST_DELAY_SECONDS * 2 ** min(failures, 30))
        self._known.pop(host, None)
        _remember(self._failures, host, (failures + 1, self._clock.monotonic() + delay, why))


def _remember(memory: dict[K, V], key: K, value: V) -> None:
    """Note something as the latest, at the cost of the oldest where there is no more room."""
    memory.pop(key, None)
    memory[key] = value
    if len(memory) > REMEMBERED_HOSTS:
        del memory[next(iter(memory))]
