"""Opens TLS connections to a provider: addresses resolved anew each time and spread, ALPN h2 demanded.

Apple asks senders to resolve uncached before each new connection and to connect to different addresses; that is also
how load spreads and how an address that died is left (provider page, servers).
"""

import ssl
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import trio

from gateway.config import TcpAddress
from gateway.errors import SessionOpenError

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]


def client_tls(ca_file: Path | None, certificate: tuple[Path, Path] | None = None) -> ssl.SSLContext:
    """Return a context for providers: TLS 1.2 or later, ALPN h2, the system's authorities or those of ``ca_file``."""
    context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["h2"])
    if certificate is not None:
        context.load_cert_chain(*certificate)
    return context


async def resolve(host: str, port: int) -> Sequence[str]:
    """Return the host's IP addresses, in the resolver's order, each once."""
    found = await trio.socket.getaddrinfo(host, port, type=trio.socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Dialer:
    """Opens one connection at a time for a pool; each starts at another address than the one before."""

    def __init__(
        self, address: TcpAddress, tls: ssl.SSLContext, *, timeout_seconds: float, resolver: Resolver = resolve
    ) -> None:
        self.address = address
        self._tls = tls
        self._timeout_seconds = timeout_seconds
        self._resolver = resolver
        self._opened = 0

    def __repr__(self) -> str:
        return f"<Dialer to {self.address}, {self._opened} tries>"

    async def dial(self) -> "trio.SSLStream[trio.SocketStream]":
        """Return a connected stream after its handshake; the caller closes it. Raises SessionOpenError."""
        with trio.move_on_after(self._timeout_seconds) as scope:
            try:
                return await self._dial()
            except (OSError, trio.BrokenResourceError) as error:
                # A BrokenResourceError from the handshake hides the TLS library's word in its cause.
                raise SessionOpenError(f"{self.address}: {error.__cause__ or error}") from error
        assert scope.cancelled_caught  # noqa: S101 - the block either returns, raises or is cut
        raise SessionOpenError(f"{self.address}: no connection within {self._timeout_seconds:g} s")

    async def _dial(self) -> "trio.SSLStream[trio.SocketStream]":
        addresses = await self._resolver(self.address.host, self.address.port)
        if not addresses:
            raise SessionOpenError(f"{self.address}: the name has no address")
        chosen = addresses[self._opened % len(addresses)]
        self._opened += 1
        transport = await trio.open_tcp_stream(chosen, self.address.port)
        stream = trio.SSLStream(transport, self._tls, server_hostname=self.address.host, https_compatible=True)
        try:
            await stream.do_handshake()
        except BaseException:
            # Only forceful: a graceful TLS close could wait for a peer that just failed.
            await trio.aclose_forcefully(stream)
            raise
        if stream.selected_alpn_protocol() != "h2":
            await trio.aclose_forcefully(stream)
            raise SessionOpenError(f"{self.address}: the server does not speak HTTP/2 (no ALPN h2)")
        return stream
