"""Hosts as settings list them: names, everything below a name, IP addresses and networks."""

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

_EXPECTED = "write push.example.org, *.example.org, 10.1.0.0/16 or fd00::/8, a name also with :port"


class HostPatterns:
    """A list of hosts. Raises ValueError saying what is expected for what is no pattern.

    Networks match hosts that are written as addresses; no name is looked up here.
    """

    def __init__(self, patterns: Iterable[str] = ()) -> None:
        self._networks: list[IPv4Network | IPv6Network] = []
        self._exact: set[tuple[str, int | None]] = set()
        self._below: set[tuple[str, int | None]] = set()
        for pattern in patterns:
            self._add(pattern)

    def _add(self, pattern: str) -> None:
        try:
            self._networks.append(ip_network(pattern.strip("[]")))
        except ValueError:
            host, colon, port = pattern.lower().partition(":")
            is_wildcard = host.startswith("*.")
            name = host.removeprefix("*.").removesuffix(".")
            is_port = port.isascii() and port.isdigit() and 0 < int(port) <= 65535
            if not name or not set(name).isdisjoint("*/@[] \t") or ".." in f".{name}." or (colon and not is_port):
                raise ValueError(f"{pattern!r} is no host pattern: {_EXPECTED}") from None
            (self._below if is_wildcard else self._exact).add((name, int(port) if colon else None))

    def match(self, host: str, port: int) -> bool:
        """Whether a host, as a request names it, and port are on the list."""
        host = host.lower().removesuffix(".")
        try:
            address = ip_address(host)
        except ValueError:
            parents = [host]
            while "." in parents[-1]:
                parents.append(parents[-1].partition(".")[2])
            return not self._exact.isdisjoint({(host, None), (host, port)}) or any(
                not self._below.isdisjoint({(parent, None), (parent, port)}) for parent in parents[1:]
            )
        return any(address in network for network in self._networks)
