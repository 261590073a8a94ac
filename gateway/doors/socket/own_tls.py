"""The certificate that callers see at a TCP door: it can be read again, and new connections get what was read last."""

import hashlib
import ssl
from pathlib import Path

import trio

from gateway.config import ListenSettings
from gateway.errors import UnusableFileError


class OwnTls:
    """The certificate and key of the settings. Raises UnusableFileError where they can't be used."""

    def __init__(self, settings: ListenSettings) -> None:
        self._certificate_file = settings.tls_certificate_file
        self._key_file = settings.tls_key_file
        self._digest = b""  # of what is used
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.reread()

    def __repr__(self) -> str:
        return f"<OwnTls of {self._certificate_file or 'nothing'}>"

    @property
    def is_on(self) -> bool:
        """Whether there is a certificate: without one nothing is spoken over TLS."""
        return self._certificate_file is not None

    def reread(self) -> bool:
        """Take what the files have; return whether it is new. Raises UnusableFileError, with nothing changed."""
        if self._certificate_file is None or self._key_file is None:
            return False
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            contents = Path(self._certificate_file).read_bytes() + Path(self._key_file).read_bytes()
            context.load_cert_chain(self._certificate_file, self._key_file, password=_refuse_passphrase)
        except (OSError, ValueError) as error:
            files = f"listen.tls_certificate_file {self._certificate_file}, tls_key_file {self._key_file}"
            detail = getattr(error, "strerror", None) or error
            raise UnusableFileError(f"{files}: not a usable certificate with its key ({detail})") from error
        digest = hashlib.sha256(contents).digest()
        if digest == self._digest:
            return False
        self._digest, self.context = digest, context
        return True


class TlsListener(trio.abc.Listener[trio.SSLStream[trio.SocketStream]]):
    """Accepts connections over TLS, each with the context of its moment."""

    def __init__(self, listener: trio.SocketListener, tls: OwnTls) -> None:
        self._listener = listener
        self._tls = tls

    async def accept(self) -> trio.SSLStream[trio.SocketStream]:
        """Return the next connection; its handshake happens with its first bytes."""
        transport = await self._listener.accept()
        # Frames have their own length, so a peer that leaves without TLS's farewell is as good as one that closes.
        return trio.SSLStream(transport, self._tls.context, server_side=True, https_compatible=True)

    async def aclose(self) -> None:
        """Close the listener below."""
        await self._listener.aclose()


def _refuse_passphrase() -> str:
    # Without it OpenSSL would ask the terminal, and a gateway started by a supervisor would wait for ever.
    raise ValueError("the private key is encrypted; store it without a passphrase")
