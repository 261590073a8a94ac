"""Who connects, as far as the kernel knows, and fairness between them until their connections are set up.

The listener's backlog is one line for all, so a peer that comes and goes would keep others waiting in it. Accepting is
cheap, some 0.05 ms; setting a connection up is not. So what comes is accepted soon, and waits here for the pace at
which connections are set up: the peers take turns, each with its own in the order in which they came.

Bounded: PEER_LIMIT connections of one peer and WAITING_LIMIT of all. At the first the peer's newest is closed; at the
second the newest of the peer that has the most. So a peer with few that wait is closed out only by as many other peers.
"""

import socket
import struct
from collections import OrderedDict, deque

import trio

# As many as wait in the backlog of a listener.
PEER_LIMIT = 128
WAITING_LIMIT = 512
IPV6_NETWORK_BYTES = 8  # a host has a network of /64 for itself, and takes what address of it it likes
MAPPED_IPV4 = bytes(10) + b"\xff\xff"
_CREDENTIALS = struct.Struct("iII")  # process, user, group: unix(7), SO_PEERCRED

Peer = tuple[object, ...]


def find_peer(stream: trio.abc.Stream) -> Peer:
    """Return who is at the other end: an IPv4 address, an IPv6 network, or a user's process; nobody when it is gone."""
    transport = stream.transport_stream if isinstance(stream, trio.SSLStream) else stream
    if not isinstance(transport, trio.SocketStream):
        return ()
    try:
        return _find_peer(transport.socket)
    except OSError:
        return ()


def find_user(stream: trio.abc.Stream) -> int | None:
    """Return the uid of the process that connected to a Unix socket; None for any other stream."""
    if not isinstance(stream, trio.SocketStream) or stream.socket.family != socket.AF_UNIX:
        return None
    try:
        return _find_user_and_process(stream.socket)[0]
    except OSError:
        return None


def _find_user_and_process(connected: trio.socket.SocketType) -> tuple[int, int]:
    credentials = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    process, user, _ = _CREDENTIALS.unpack(credentials)
    return user, process


def _find_peer(connected: trio.socket.SocketType) -> Peer:
    if connected.family == socket.AF_UNIX:
        return _find_user_and_process(connected)
    host: str = connected.getpeername()[0]
    if connected.family != socket.AF_INET6:
        return (host,)
    address = socket.inet_pton(socket.AF_INET6, host.partition("%")[0])
    return (address if address.startswith(MAPPED_IPV4) else address[:IPV6_NETWORK_BYTES],)


class WaitingPeers:
    """Accepted connections that are not set up yet. One task takes them."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[Peer, deque[trio.abc.Stream]] = OrderedDict()  # whose turn it is first
        self._count = 0
        self._arrival = trio.lowlevel.ParkingLot()

    def __len__(self) -> int:
        return self._count

    def __repr__(self) -> str:
        return f"<WaitingPeers: {self._count} connections of {len(self._waiting)} peers>"

    def put(self, peer: Peer, stream: trio.abc.Stream) -> trio.abc.Stream | None:
        """Let a connection wait; return the one that is to be closed for it, perhaps itself."""
        own = self._waiting.get(peer, ())
        if len(own) >= PEER_LIMIT:
            return stream
        dropped = None
        if self._count >= WAITING_LIMIT:
            longest = max(self._waiting, key=lambda each: len(self._waiting[each]))
            if len(self._waiting[longest]) <= len(own):
                return stream
            dropped = self._take_from(longest, -1)
        self._waiting.setdefault(peer, deque()).append(stream)
        self._count += 1
        self._arrival.unpark()
        return dropped

    async def wait(self) -> None:
        """Wait until there is a connection. Not a checkpoint when there is one."""
        while not self._count:
            await self._arrival.park()

    def take(self) -> trio.abc.Stream:
        """Return the oldest connection of the peer whose turn it is; there is one."""
        peer = next(iter(self._waiting))
        stream = self._take_from(peer, 0)
        if peer in self._waiting:
            self._waiting.move_to_end(peer)
        return stream

    def take_all(self) -> list[trio.abc.Stream]:
        """Return what waits, to be closed."""
        return [self.take() for _ in range(self._count)]

    def _take_from(self, peer: Peer, at: int) -> trio.abc.Stream:
        own = self._waiting[peer]
        stream = own[at]
        del own[at]
        self._count -= 1
        if not own:
            del self._waiting[peer]
        return stream
