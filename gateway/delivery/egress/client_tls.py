"""TLS contexts that can be read again from their files, and the dialers that open connections with them."""

import hashlib
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path
from weakref import WeakSet

from gateway.delivery.egress.dialer import HTTP2, Dialer, client_tls
from gateway.errors import UnusableFileError

Certificate = Callable[[], tuple[Path, Path] | None]


def no_certificate() -> None:
    """Show none."""


class ClientTls:
    """One context. ``place`` is the setting that names its file; ``certificate`` tells what is shown to the server.

    Reading is for a worker thread: a long list of authorities takes milliseconds. What was read is used for
    connections that are opened afterwards; those that are open go on.
    """

    def __init__(
        self,
        place: str,
        ca_file: Path | None,
        *,
        certificate: Certificate = no_certificate,
        protocols: Sequence[str] = (HTTP2,),
    ) -> None:
        """Read the files. Raises UnusableFileError."""
        self.place = place
        self._ca_file = ca_file
        self._certificate = certificate
        self._protocols = protocols
        self._dialers: WeakSet[Dialer] = WeakSet()
        self._digest = self._take_digest()
        self._context = client_tls(ca_file, certificate(), protocols=protocols)

    def __repr__(self) -> str:
        return f"<ClientTls of {self.place} for {len(self._dialers)} dialers>"

    def dress(self, make: Callable[[ssl.SSLContext], Dialer]) -> Dialer:
        """Return a dialer made with the context, which gets each that is read later."""
        dialer = make(self._context)
        self._dialers.add(dialer)
        return dialer

    def read(self) -> tuple[bytes, ssl.SSLContext] | None:
        """Return what the files have, for :meth:`take`; None when that is used already. Raises UnusableFileError."""
        digest = self._take_digest()
        if digest == self._digest:
            return None
        return digest, client_tls(self._ca_file, self._certificate(), protocols=self._protocols)

    def take(self, found: tuple[bytes, ssl.SSLContext]) -> None:
        """Use what was read."""
        self._digest, self._context = found
        for dialer in self._dialers:
            dialer.replace_tls(self._context)

    def _take_digest(self) -> bytes:
        digest = hashlib.sha256()
        for path in (self._ca_file, *(self._certificate() or ())):
            if path is not None:
                try:
                    digest.update(hashlib.sha256(path.read_bytes()).digest())
                except OSError as error:
                    raise UnusableFileError(f"{path}: {error.strerror}") from None
        return digest.digest()
