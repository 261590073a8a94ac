"""Which IP addresses a Web Push connection may go to (docs/web-push.md#public-addresses).

The name of an allowed host may still resolve to the inside of somebody's network. So the resolver's answer is checked
here, and the connection is made to the very address that was checked. The tables are ours and not ``is_global`` of the
standard library, whose meaning has changed between patch releases. For IPv6 it is the other way round than for IPv4:
only what has been given out for the public internet is allowed, less the parts of it with another meaning.
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network

# IANA IPv4 Special-Purpose Address Registry, and multicast.
_NOT_PUBLIC_IPV4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this network; 0.0.0.0 reaches the own machine
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # shared behind carriers' NAT
        "127.0.0.0/8",  # loopback
        "169.254.0.0/16",  # link-local: metadata services of clouds
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays, withdrawn
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
)
_GIVEN_OUT_IPV6 = IPv6Network("2000::/3")
_NOT_PUBLIC_IPV6 = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # protocol assignments: Teredo carries an IPv4 address in it
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: carries an IPv4 address
        "3fff::/20",  # documentation
    )
)
# On a network without IPv4, DNS64 answers with it for every name. It is as public as the IPv4 address at its end.
_NAT64 = IPv6Network("64:ff9b::/96")


class AddressPolicy:
    """Public addresses, and those of ``more_networks`` (a setting for tests and services of one's own)."""

    def __init__(self, more_networks: Iterable[Network | str] = ()) -> None:
        self._more = tuple(ip_network(network) for network in more_networks)

    def allows(self, address: str) -> bool:
        """Whether a connection may go to an address, as the resolver writes it; False for what is none."""
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        if isinstance(parsed, IPv6Address) and parsed.scope_id is not None:
            return False
        return is_public(parsed) or any(parsed in network for network in self._more)


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address belongs to the public internet. IPv4 written as IPv6 (mapped, compatible) never does."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_IPV4)
    if address in _NAT64:
        return is_public(IPv4Address(address.packed[12:]))
    return address in _GIVEN_OUT_IPV6 and not any(address in network for network in _NOT_PUBLIC_IPV6)
