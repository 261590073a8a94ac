"""Addresses as they are written in settings: ``unix:/path``, ``tcp:host:port``, ``host:port`` and a proxy's URL."""

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


class ProxyAddress(msgspec.Struct, frozen=True):
    """Where a proxy is; ``is_encrypted``: it is spoken to over TLS."""

    address: TcpAddress
    is_encrypted: bool

    def __str__(self) -> str:
        return f"{'https' if self.is_encrypted else 'http'}://{str(self.address).removeprefix('tcp:')}"


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


def parse_proxy(text: str) -> ProxyAddress:
    """Return the proxy of ``http://host:port`` or ``https://host:port``.

    Raises ValueError saying what is expected; nothing of the text is repeated, for it may hold a password.
    """
    scheme, _, rest = text.partition("://")
    if "@" in rest:
        raise ValueError("a proxy's user and password stand in a file: set egress.proxy_login_file")
    try:
        address = parse_host_port(rest.removesuffix("/"))
    except ValueError:
        address = None
    if scheme not in {"http", "https"} or address is None or not address.port or not _is_host(address.host):
        raise ValueError("expected http://host:port or https://host:port")
    return ProxyAddress(address, scheme == "https")


def _is_host(host: str) -> bool:
    return host.isascii() and host.isprintable() and set(host).isdisjoint("/?#@[] ")
