"""Credentials, certificates and CA files read again while the gateway runs: on SIGHUP, and when a lane's hold ends.

Each file is read and checked whole before anything changes. What can't be used is told in one event and leaves what it
would have replaced as it was; all the others are taken. Files are read in a worker thread of their own.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import msgspec
import structlog
import trio

from gateway.clock import Clock
from gateway.config import Config, Fault
from gateway.delivery.client_tls import ClientTls
from gateway.delivery.credentials import Credentials, read_credentials
from gateway.errors import UnusableFileError

Read = TypeVar("Read")


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What a look at the files brought: the settings whose files had something new, and what can't be used."""

    changed: Sequence[str]
    faults: Sequence[Fault]


class Rereading:
    """Reads again what ``config`` names. ``tls`` are the contexts in use; ``on_changed`` hears before it is told.

    Looks are made one after the other, and all who ask while one is waited for share the next.
    """

    def __init__(
        self,
        config: Config,
        credentials: Credentials,
        tls: Sequence[ClientTls],
        clock: Clock,
        on_changed: Callable[[], None],
    ) -> None:
        self._config = config
        self._credentials = credentials
        self._tls = tls
        self._clock = clock
        self._on_changed = on_changed
        self._log: structlog.stdlib.BoundLogger = structlog.get_logger("credentials")
        self._turn = trio.Lock()
        self._thread = trio.CapacityLimiter(1)
        self._begun = 0
        self._found = Found(changed=(), faults=())

    async def look(self, *, tells: bool) -> Found:
        """Read all files and take what is new; ``tells``: log what came of it. Never raises for a file."""
        begun = self._begun
        async with self._turn:
            if self._begun == begun:
                self._begun += 1
                self._found = await self._look()
                if tells:
                    self._tell(self._found)
            return self._found  # else of a look that began after we asked: it has seen what we would see

    async def _look(self) -> Found:
        fresh, faults = await self._read(partial(read_credentials, self._config, self._clock))
        changed, refused = self._credentials.adopt(fresh)
        faults += refused
        for tls in self._tls:
            if not any(fault.place == tls.place for fault in faults):
                await self._look_at(tls, changed, faults)
        if changed:
            self._on_changed()
        return Found(changed=list(dict.fromkeys(changed)), faults=list(dict.fromkeys(faults)))

    async def _look_at(self, tls: ClientTls, changed: list[str], faults: list[Fault]) -> None:
        try:
            read = await self._read(tls.read)
        except UnusableFileError as error:
            faults.append(Fault(tls.place, str(error)))
            return
        if read is not None:
            tls.take(read)
            changed.append(tls.place)

    async def _read(self, read: Callable[[], Read]) -> Read:
        return await trio.to_thread.run_sync(read, limiter=self._thread)

    def _tell(self, found: Found) -> None:
        if found.changed:
            self._log.info("credentials_changed", settings=found.changed)
        if found.faults:
            self._log.error(
                "credential_files_unusable",
                faults=[str(fault) for fault in found.faults],
                note="what was read before is used on; mend the files and send SIGHUP",
            )
