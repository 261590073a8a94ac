"""Opening the addresses at which callers connect: Unix sockets, and TCP with TLS (without it on loopback only).

A Unix socket file outlives a gateway that was killed. Whether the one that is found still has somebody behind it is
told by connecting to it; only a refused connection makes it stale and replaceable. The file gets its mode between
``bind`` and ``listen``, so at no moment can somebody connect whom the mode keeps out.
"""

import os
import socket
import stat
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path

import msgspec
import trio

from gateway.config import ListenSettings, TcpAddress, UnixAddress
from gateway.doors.socket.own_tls import OwnTls, TlsListener
from gateway.errors import GatewayError

# Callers of the same group may connect, nobody else; more is the operator's to grant by the directory's rights.
UNIX_SOCKET_MODE = 0o660
BACKLOG = 128
# A peer that vanished is found after 8 s of silence and three probes 2 s apart: inside the 15 s we promise.
KEEPALIVE = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 8),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 2),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
)

AnyListener = trio.SocketListener | TlsListener


class ListenError(GatewayError):
    """An address can't be listened at; the message names it and what to do."""


class BoundListener(msgspec.Struct, frozen=True):
    """A listener and where callers reach it: the port is the real one where port 0 was asked for."""

    address: UnixAddress | TcpAddress
    listener: AnyListener


@asynccontextmanager
async def open_listeners(settings: ListenSettings, tls: OwnTls) -> AsyncIterator[list[BoundListener]]:
    """Listen at every address of the settings, or at none. Raises ListenError. Socket files go on leaving."""
    async with AsyncExitStack() as stack:
        bound: list[BoundListener] = []
        for address in settings.addresses:
            if isinstance(address, UnixAddress):
                unix_socket = stack.enter_context(_bind_unix(Path(address.path)))
                bound.append(BoundListener(address, _listen(unix_socket)))
            else:
                bound += await _open_tcp(address, tls)
        for each in bound:
            stack.push_async_callback(each.listener.aclose)
        yield bound


async def _open_tcp(address: TcpAddress, tls: OwnTls) -> list[BoundListener]:
    """Listen at every IP address of the host."""
    try:
        listeners = await trio.open_tcp_listeners(address.port, host=address.host, backlog=BACKLOG)
    except OSError as error:
        raise ListenError(f"{address}: can't listen there ({error.strerror or error})") from error
    return [_dress(listener, tls) for listener in listeners]


def _dress(listener: trio.SocketListener, tls: OwnTls) -> BoundListener:
    for level, option, value in KEEPALIVE:  # inherited by the connections
        listener.socket.setsockopt(level, option, value)
    host, port = listener.socket.getsockname()[:2]
    return BoundListener(TcpAddress(host, port), TlsListener(listener, tls) if tls.is_on else listener)


@contextmanager
def _bind_unix(path: Path) -> Iterator[socket.socket]:
    """Bind a socket file, replacing a stale one; on leaving remove it, if it is still ours."""
    _remove_stale(path)
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # The file is made with the socket's own mode, short of the umask: never open to others, not for a moment.
        os.fchmod(bound.fileno(), UNIX_SOCKET_MODE)
        bound.bind(str(path))
    except OSError as error:
        bound.close()
        raise ListenError(f"unix:{path}: can't listen there ({error.strerror or error})") from error
    identity = _identify(path)
    try:
        path.chmod(UNIX_SOCKET_MODE)
        yield bound
    finally:
        bound.close()
        if _identify(path) == identity:
            path.unlink()


def _listen(unix_socket: socket.socket) -> trio.SocketListener:
    unix_socket.listen(BACKLOG)
    return trio.SocketListener(trio.socket.from_stdlib_socket(unix_socket))


def _remove_stale(path: Path) -> None:
    with suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise ListenError(f"unix:{path}: there is a file that is not a socket; remove it or choose another path")
        if _is_answered(path):
            raise ListenError(f"unix:{path}: another process listens there; stop it or choose another path")
        path.unlink()


def _is_answered(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return False
        except BlockingIOError:  # its backlog is full: there is somebody, and busy
            return True
        except OSError as error:
            raise ListenError(f"unix:{path}: can't tell who listens there ({error.strerror or error})") from error
    return True


def _identify(path: Path) -> tuple[int, int] | None:
    """Return what tells this file from another one of the same name."""
    try:
        status = os.lstat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino
