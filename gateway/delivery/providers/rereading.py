"""Credentials, certificates and CA files read again while the gateway runs: on SIGHUP, and when a lane's hold ends.

Each file is read and checked whole before anything changes. What can't be used is told in one event and leaves what it
would have replaced as it was; all the others are taken. Files are read in a worker thread of their own, and keys are
made of them only when a file is another one: a large RSA key is checked for tens of milliseconds, in which no other
thread runs.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

import msgspec
import structlog
import trio

from gateway.clock import Clock
from gateway.config import Config, Fault
from gateway.delivery.credentials import Credentials, read_credentials
from gateway.delivery.egress.client_tls import ClientTls
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
        self._digest = _take_digest(config)
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
        changed: list[str] = []
        faults: list[Fault] = []
        digest = await self._read(partial(_take_digest, self._config))
        # What could not be used is tried anew though the file is the same: a certificate may be valid by now.
        if digest != self._digest or self._found.faults:
            self._digest = digest
            read = partial(read_credentials, self._config, self._clock, proxy=self._credentials.proxy)
            fresh, faults = await self._read(read)
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


def _take_digest(config: Config) -> bytes:
    """Return what tells the contents of all credential files from others; a file that can't be read has none."""
    digest = hashlib.sha256()
    for path in _list_files(config):
        try:
            contents = Path(path).read_bytes()
        except OSError:
            contents = b""
        digest.update(hashlib.sha256(contents).digest())
    return digest.digest()


def _list_files(config: Config) -> Iterator[str]:
    yield from filter(None, (config.egress.proxy_login_file, config.egress.ca_file))
    for app in config.apps.values():
        if app.apns is not None:
            yield from filter(None, (app.apns.key_file, app.apns.certificate_file, app.apns.certificate_key_file))
        if app.fcm is not None and app.fcm.service_account_file is not None:
            yield app.fcm.service_account_file
        if app.webpush is not None:
            yield from app.webpush.key_files.values()
