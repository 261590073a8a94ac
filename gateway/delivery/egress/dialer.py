"""Opens TLS connections to a provider: addresses resolved anew each time, checked, and spread.

Apple asks senders to resolve uncached before each new connection and to connect to different addresses; that is also
how load spreads (docs/apns.md#connections). An address that takes no connection costs a quarter of a second.

Where strangers choose the host, as in Web Push, its addresses are checked before one is connected to, and the
connection goes to the very address that was checked: the name is not looked up a second time, when its answer might
be another (DNS rebinding). The certificate is still the name's.

Behind a proxy it is the proxy that looks names up and connects, so addresses can't be judged here: only a host that is
written as one is. Where ``egress.lookups`` is "here", names that strangers chose are looked up and judged all the same,
and the proxy is asked for the very address.
"""

import ssl
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import trio

from gateway.config import TcpAddress
from gateway.delivery.egress.first_tries import FirstTries
from gateway.delivery.egress.lookups import LookupFailedError
from gateway.delivery.egress.racing import NoConnectionError, connect_to_first, interleave_families
from gateway.errors import ProxyUnusableError, SessionOpenError, UnusableFileError, find_root

if TYPE_CHECKING:
    from gateway.delivery.egress.proxy import Proxy

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
AddressCheck = Callable[[str], bool]
Transport = TypeVar("Transport", bound=trio.abc.Stream)

HTTP2 = "h2"
HTTP1 = "http/1.1"
HTTPS_PORT = 443


class Link(NamedTuple):
    """A dialed stream of bytes, TCP and TLS, and whether HTTP/2 is spoken on it; else it is HTTP/1.1."""

    stream: trio.abc.Stream
    speaks_http2: bool


def client_tls(
    ca_file: Path | None, certificate: tuple[Path, Path] | None = None, *, protocols: Sequence[str] = (HTTP2,)
) -> ssl.SSLContext:
    """Return a context for providers: TLS 1.2 or later, the system's authorities or those of ``ca_file``.

    ``protocols`` are offered by ALPN, the best one first.
    """
    try:
        context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    except OSError as error:  # ssl.SSLError is one
        raise UnusableFileError(f"ca_file: {ca_file}: no certificates in PEM form can be read: {error}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(list(protocols))
    if certificate is not None:
        try:
            context.load_cert_chain(*certificate)
        except OSError as error:
            raise UnusableFileError(f"{certificate[0]}: not a usable certificate with its key: {error}") from error
    return context


def allow_any(address: str) -> bool:
    """Allow every address: for a host that the operator chose."""
    del address
    return True


class Dialer:
    """Opens one connection at a time for a pool, each to the address that it has left alone for longest.

    ``resolver`` raises LookupFailedError. ``is_allowed`` says which addresses may be connected to. A server that
    doesn't choose HTTP/2 is left unless ``takes_http1``. ``first_tries`` is there where strangers name the host.
    ``proxy`` is what connections go through, None where they are made directly.
    """

    def __init__(
        self,
        address: TcpAddress,
        tls: ssl.SSLContext,
        *,
        timeout_seconds: float,
        resolver: Resolver,
        is_allowed: AddressCheck = allow_any,
        takes_http1: bool = False,
        first_tries: FirstTries | None = None,
        proxy: "Proxy | None" = None,
    ) -> None:
        self.address = address
        self._proxy = proxy if proxy is not None and proxy.is_for(address) else None
        self.first_tries = first_tries
        self._place = str(address).removeprefix("tcp:")
        self._tls = tls
        self._timeout_seconds = timeout_seconds
        self._resolver = resolver
        self._is_allowed = is_allowed
        self._takes_http1 = takes_http1
        self._tries = 0
        self._last_try_at: dict[str, int] = {}  # IP address → the number of our latest try there

    def __repr__(self) -> str:
        return f"<Dialer to {self._place}, {self._tries} tries>"

    def replace_tls(self, tls: ssl.SSLContext) -> None:
        """Open new connections with another context; those that are open go on."""
        self._tls = tls

    @property
    def authority(self) -> bytes:
        """``:authority``, or ``Host``: without the port where it is the usual one."""
        host = f"[{self.address.host}]" if ":" in self.address.host else self.address.host
        return (host if self.address.port == HTTPS_PORT else f"{host}:{self.address.port}").encode()

    async def dial(self) -> Link:
        """Return a TLS stream after its handshake; the caller closes it. Raises SessionOpenError.

        The time-out begins when the addresses are known: the resolver has a bound of its own.
        """
        addresses = await self._find_addresses()
        deadline = trio.current_time() + self._timeout_seconds
        chosen, transport = await self._reach(addresses, deadline)
        with trio.move_on_at(deadline):
            try:
                stream = await self._shake_hands(transport)
            except (OSError, trio.BrokenResourceError) as error:
                raise SessionOpenError(f"{self._place} ({chosen}): {find_root(error)}") from error
            speaks_http2 = stream.selected_alpn_protocol() == HTTP2
            if speaks_http2 or self._takes_http1:
                return Link(stream, speaks_http2)
            await trio.aclose_forcefully(stream)
            raise SessionOpenError(f"{self._place} ({chosen}): the server does not speak HTTP/2 (no ALPN h2)")
        raise self._too_late()

    async def _find_addresses(self) -> Sequence[str]:
        """Return the addresses to try, in their order; none where the proxy looks the name up."""
        if self._proxy is None or self._judges_names(self._proxy):
            return self._order(self._check(await self._resolve()))
        if _is_address(self.address.host):
            self._check([self.address.host])
        return []

    def _judges_names(self, proxy: "Proxy") -> bool:
        # Hosts that the operator chose may have names that only the proxy knows.
        return proxy.looks_up_here and self._is_allowed is not allow_any

    async def _reach(self, addresses: Sequence[str], deadline: float) -> tuple[str, trio.abc.Stream]:
        if self._proxy is None:
            return await self._connect(addresses, deadline)
        return await self._connect_through(self._proxy, addresses)

    async def _connect(self, addresses: Sequence[str], deadline: float) -> tuple[str, trio.SocketStream]:
        with trio.move_on_at(deadline):
            try:
                return await connect_to_first(addresses, self.address.port, self._note_try)
            except NoConnectionError as error:
                raise SessionOpenError(f"{self._place} {error}") from error
        raise self._too_late()

    async def _connect_through(self, proxy: "Proxy", addresses: Sequence[str]) -> tuple[str, trio.abc.Stream]:
        from gateway.delivery.egress.proxy import Blame, ProxyError  # noqa: PLC0415 - few have a proxy

        via, target = f"through the proxy {proxy}", self.address
        if addresses:
            # One a dial: the next dial tries the next.
            self._note_try(addresses[0])
            via, target = f"{addresses[0]} {via}", TcpAddress(addresses[0], self.address.port)
        try:
            return via, await proxy.connect(target, self._timeout_seconds)
        except ProxyError as error:
            kind = SessionOpenError if error.blame is Blame.TARGET else ProxyUnusableError
            raise kind(f"{self._place} ({via}): {error}") from error

    def _too_late(self) -> SessionOpenError:
        return SessionOpenError(f"{self._place}: no connection within {self._timeout_seconds:g} s")

    async def _resolve(self) -> Sequence[str]:
        try:
            addresses = await self._resolver(self.address.host, self.address.port)
        except LookupFailedError as error:
            raise SessionOpenError(f"{self._place}: {error}") from error
        if not addresses:
            raise SessionOpenError(f"{self._place}: the name has no address")
        return addresses

    def _check(self, addresses: Sequence[str]) -> Sequence[str]:
        allowed = [address for address in addresses if self._is_allowed(address)]
        if not allowed:
            raise SessionOpenError(
                f"{self._place}: none of its addresses ({', '.join(addresses)}) may be connected to: they are not "
                "public, and no setting allows them"
            )
        return allowed

    def _order(self, addresses: Sequence[str]) -> Sequence[str]:
        # By position would not do: resolvers rotate their answers too, and the two rotations may cancel out.
        tries = {address: self._last_try_at.get(address, 0) for address in addresses}
        ordered = interleave_families(sorted(addresses, key=tries.__getitem__))
        self._last_try_at = {address: tries[address] for address in ordered}
        return ordered

    def _note_try(self, address: str) -> None:
        self._tries += 1
        self._last_try_at[address] = self._tries

    async def _shake_hands(self, transport: Transport) -> "trio.SSLStream[Transport]":
        try:
            stream = trio.SSLStream(transport, self._tls, server_hostname=self.address.host, https_compatible=True)
            await stream.do_handshake()
        except BaseException:
            # Only forceful: a graceful TLS close could wait for a peer that just failed.
            await trio.aclose_forcefully(transport)
            raise
        return stream


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
