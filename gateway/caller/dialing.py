"""Opening the stream to a gateway by its address as settings write it: ``unix:/path`` or ``tcp:host:port``."""

import ssl

import trio

from gateway.caller.errors import ConnectError
from gateway.config import TcpAddress, UnixAddress, parse_listen_address

CONNECT_TIMEOUT_SECONDS = 10.0


async def open_stream(address: str, tls: ssl.SSLContext | None) -> trio.abc.Stream:
    """Connect; over TLS where a context is given. Raises ConnectError, ValueError for what is no address."""
    parsed = parse_listen_address(address)
    try:
        with trio.fail_after(CONNECT_TIMEOUT_SECONDS):
            return await _open(parsed, tls)
    except trio.TooSlowError:
        raise ConnectError(f"{parsed}: no answer within {CONNECT_TIMEOUT_SECONDS:g} s") from None
    except trio.BrokenResourceError as error:
        raise ConnectError(f"{parsed}: the TLS handshake failed ({error.__cause__ or 'closed by the peer'})") from error
    except OSError as error:
        raise ConnectError(f"{parsed}: can't connect ({error.strerror or error})") from error


async def _open(address: UnixAddress | TcpAddress, tls: ssl.SSLContext | None) -> trio.abc.Stream:
    if isinstance(address, UnixAddress):
        return await trio.open_unix_socket(address.path)
    plain = await trio.open_tcp_stream(address.host, address.port)
    if tls is None:
        return plain
    stream = trio.SSLStream(plain, tls, server_hostname=address.host, https_compatible=True)
    try:
        await stream.do_handshake()
    except BaseException:
        await trio.aclose_forcefully(plain)
        raise
    return stream
