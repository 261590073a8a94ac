"""The proxy that connections go through: reached, asked for tunnels, left alone for a while when it can't be used.

All that goes out waits together when the proxy itself is at fault: it can't be reached, or doesn't know us (a login
that is refused again and again may be locked). What it says of one target, or that it says nothing of it, stops only
that one: strangers name targets, and must not be able to stop the others.
"""

import ssl
from collections.abc import Awaitable, Callable, Sequence
from math import inf

import structlog
import trio

from gateway.clock import Clock
from gateway.config import HostPatterns, ProxyAddress, TcpAddress
from gateway.delivery.egress.lookups import LookupFailedError
from gateway.delivery.egress.proxy.errors import Blame, ProxyError
from gateway.delivery.egress.proxy.login import Login
from gateway.delivery.egress.proxy.tunnel import open_tunnel
from gateway.delivery.egress.racing import NoConnectionError, connect_to_first, interleave_families
from gateway.delivery.pacing.backoff import Backoff
from gateway.errors import find_root

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
Tunnel = trio.SocketStream | trio.SSLStream[trio.SocketStream]

FIRST_SECONDS = 1.0
CEILING_SECONDS = 60.0
# For a login that a person must mend, as for other credentials.
LOGIN_FIRST_SECONDS = 60.0
LOGIN_CEILING_SECONDS = 900.0
ALARM_SECONDS = 60.0


class Proxy:
    """One for the whole gateway. ``tls`` is for a proxy that is spoken to over TLS; ``direct`` are hosts it is not for.

    ``looks_up_here``: names that strangers chose are looked up and judged by us, the proxy is asked for the address.
    """

    def __init__(
        self,
        address: ProxyAddress,
        *,
        login: Login | None,
        tls: ssl.SSLContext | None,
        direct: HostPatterns,
        looks_up_here: bool,
        resolver: Resolver,
        clock: Clock,
        uniform: Callable[[float, float], float],
    ) -> None:
        self._address = address
        self.login = login
        self.tls = tls
        self._direct = direct
        self.looks_up_here = looks_up_here
        self._resolver = resolver
        self._clock = clock
        self._backoff = Backoff(FIRST_SECONDS, CEILING_SECONDS, uniform)
        self._login_backoff = Backoff(LOGIN_FIRST_SECONDS, LOGIN_CEILING_SECONDS, uniform)
        self._fault: ProxyError | None = None  # of the proxy itself, since a tunnel was opened
        self._next_try_at = -inf  # monotonic
        self._alarm_at = -inf
        self._is_alarmed = False
        self._log: structlog.stdlib.BoundLogger = structlog.get_logger("egress")

    def __repr__(self) -> str:
        return f"<Proxy {self._address}, {'out of use' if self._fault else 'in use'}>"

    def __str__(self) -> str:
        return str(self._address)

    def is_for(self, target: TcpAddress) -> bool:
        """Whether a server is reached through it."""
        return not self._direct.match(target.host, target.port)

    def adopt(self, fresh: "Proxy") -> bool:
        """Take login and authorities from what was read from the same settings.

        Return whether the login is another one; a wait for a refused one ends.
        """
        before = self.login and self.login.authorization
        self.tls, self.login = fresh.tls, fresh.login
        if before == (self.login and self.login.authorization):
            return False
        self._login_backoff.succeed()
        self._next_try_at = -inf
        return True

    async def connect(self, target: TcpAddress, timeout_seconds: float) -> Tunnel:
        """Return a stream that leads to a server; the caller closes it. Raises ProxyError."""
        if self._fault is not None and (wait := self._next_try_at - self._clock.monotonic()) > 0:
            raise ProxyError(f"{self._fault}; asked again in {wait:.0f} s", self._fault.blame)
        deadline = trio.current_time() + timeout_seconds
        try:
            stream = await self._reach(deadline, timeout_seconds)
            await self._ask(stream, target, deadline, timeout_seconds)
        except ProxyError as error:
            self._note(error)
            raise
        self._note_success()
        return stream

    async def _ask(self, stream: Tunnel, target: TcpAddress, deadline: float, timeout_seconds: float) -> None:
        """Have a stream lead to the server; else close it."""
        is_open = False
        try:
            with trio.move_on_at(deadline):
                await open_tunnel(stream, target, self.login)
                is_open = True
        finally:
            if not is_open:
                await trio.aclose_forcefully(stream)
        if not is_open:
            raise ProxyError(f"it did not answer to CONNECT within {timeout_seconds:g} s", Blame.TARGET)

    async def _reach(self, deadline: float, timeout_seconds: float) -> Tunnel:
        with trio.move_on_at(deadline):
            stream = await self._open()
            if self._fault is not None and self._fault.blame is Blame.PROXY:
                self._note_success()  # it is there, whatever it says of the target
            return stream
        raise ProxyError(f"no connection to it within {timeout_seconds:g} s", Blame.PROXY)

    async def _open(self) -> Tunnel:
        host, port = self._address.address.host, self._address.address.port
        try:
            addresses = interleave_families(await self._resolver(host, port))
            _, transport = await connect_to_first(addresses, port, lambda _: None)
        except (LookupFailedError, NoConnectionError) as error:
            raise ProxyError(f"no connection to it: {error}", Blame.PROXY) from None
        if self.tls is None:
            return transport
        stream = trio.SSLStream(transport, self.tls, server_hostname=host, https_compatible=True)
        try:
            await stream.do_handshake()
        except (OSError, trio.BrokenResourceError) as error:
            await trio.aclose_forcefully(transport)
            raise ProxyError(f"no TLS connection to it: {find_root(error)}", Blame.PROXY) from None
        except BaseException:
            await trio.aclose_forcefully(transport)
            raise
        return stream

    def _note(self, error: ProxyError) -> None:
        if error.blame is Blame.TARGET:
            return  # it is there and talks to us
        self._fault = error
        now = self._clock.monotonic()
        # Of many that tried at once each fails; the pause grows by those that come after it.
        if now >= self._next_try_at:
            self._next_try_at = now + (self._login_backoff if error.blame is Blame.LOGIN else self._backoff).fail()
        if now - self._alarm_at >= ALARM_SECONDS:
            self._alarm_at = now
            self._is_alarmed = True
            retry_in_seconds = round(self._next_try_at - now, 1)
            self._log.error("proxy_failed", proxy=str(self), error=str(error), retry_in_seconds=retry_in_seconds)

    def _note_success(self) -> None:
        if self._is_alarmed:
            self._log.info("proxy_in_use_again", proxy=str(self))
            self._is_alarmed = False
        self._fault = None
        self._next_try_at = -inf
        self._backoff.succeed()
        self._login_backoff.succeed()
