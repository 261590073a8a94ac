"""Connections of the HTTP library that fetches access tokens, made through the proxy as those of sessions are."""

import ssl
from collections.abc import Iterable
from math import inf
from typing import Any

import httpcore
import trio

from gateway.config import TcpAddress
from gateway.delivery.egress.proxy.errors import ProxyError
from gateway.delivery.egress.proxy.proxy import Proxy, Tunnel
from gateway.errors import SessionOpenError, find_root


class ProxiedNetwork(httpcore.AsyncNetworkBackend):
    """What the library opens connections with. Raises SessionOpenError for what the proxy says."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the library's interface
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Return a tunnel; the library goes on with TLS."""
        del local_address, socket_options
        try:
            tunnel = await self._proxy.connect(TcpAddress(host, port), timeout if timeout is not None else inf)
        except ProxyError as error:
            raise SessionOpenError(f"through the proxy {self._proxy}: {error}") from None
        return _TunnelStream(tunnel)

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await trio.sleep(seconds)


class _TunnelStream(httpcore.AsyncNetworkStream):
    """A tunnel, and after ``start_tls`` the server's TLS in it."""

    def __init__(self, stream: Tunnel | trio.SSLStream[Any]) -> None:
        self._stream = stream

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        try:
            with trio.fail_after(_bound(timeout)):
                return bytes(await self._stream.receive_some(max_bytes))
        except trio.TooSlowError:
            raise httpcore.ReadTimeout from None
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise httpcore.ReadError(str(find_root(error))) from error

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        try:
            with trio.fail_after(_bound(timeout)):
                await self._stream.send_all(buffer)
        except trio.TooSlowError:
            raise httpcore.WriteTimeout from None
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise httpcore.WriteError(str(find_root(error))) from error

    async def aclose(self) -> None:
        await trio.aclose_forcefully(self._stream)

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> httpcore.AsyncNetworkStream:
        stream = trio.SSLStream(self._stream, ssl_context, server_hostname=server_hostname, https_compatible=True)
        try:
            with trio.fail_after(_bound(timeout)):
                await stream.do_handshake()
        except trio.TooSlowError:
            await self.aclose()
            raise httpcore.ConnectTimeout from None
        except (OSError, trio.BrokenResourceError) as error:
            await self.aclose()
            raise httpcore.ConnectError(str(find_root(error))) from error
        except BaseException:
            await self.aclose()
            raise
        return _TunnelStream(stream)

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401 - the library's interface
        # It asks the TLS object for the protocol that was agreed on, and the stream answers that.
        return self._stream if info == "ssl_object" and isinstance(self._stream, trio.SSLStream) else None


def _bound(timeout: float | None) -> float:
    return inf if timeout is None else timeout
