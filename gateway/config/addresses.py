"""Addresses as they are written in settings: ``unix:/path``, ``tcp:host:port`` and ``host:port``."""

import ipaddress

import msgspec


class UnixAddress(msgspec.Struct, frozen=True):
    """A socket in the file system."""

    path: str

    def __str__(self) -> str:
        return f"unix:{self.path}"


class TcpAddress(msgspec.Struct, frozen=True):
    """A host name or IP address with a port; port 0 lets the system choose."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"tcp:[{self.host}]:{self.port}" if ":" in self.host else f"tcp:{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def parse_host_port(text: str) -> TcpAddress:
    """Return the address in ``host:port`` or ``[IPv6]:port``. Raises ValueError saying what is expected."""
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError("an IPv6 address is written in brackets, as in [::1]:443")
    if not (colon and host and port.isascii() and port.isdigit() and int(port) <= 65535):
        raise ValueError("expected host:port, as in api.push.apple.com:443")
    return TcpAddress(host, int(port))


def parse_listen_address(text: str) -> UnixAddress | TcpAddress:
    """Return the address in ``unix:/path`` or ``tcp:host:port``. Raises ValueError saying what is expected."""
    scheme, _, rest = text.partition(":")
    if scheme == "unix" and rest.startswith("/"):
        return UnixAddress(rest)
    if scheme == "tcp":
        return parse_host_port(rest)
    raise ValueError("expected unix:/path or tcp:host:port")
