"""How connections leave the machine: directly, or through a proxy."""

from collections.abc import Iterator
from typing import Literal

from gateway.config.addresses import ProxyAddress, parse_proxy
from gateway.config.host_patterns import HostPatterns
from gateway.config.sections.kinds import FilePath
from gateway.config.sections.section import Contradiction, Section


class EgressSettings(Section, frozen=True, kw_only=True):
    """One way for all providers, the exchange for FCM's access tokens included."""

    # None: connections are made directly. The environment's HTTPS_PROXY is never followed: it would carry signed
    # requests to whoever can set a variable.
    proxy: str | None = None
    # "user:password" for Basic authentication (RFC 7617).
    proxy_login_file: FilePath | None = None
    # Authorities for an https:// proxy; None: the system's.
    ca_file: FilePath | None = None
    # Hosts that are connected to directly.
    no_proxy: tuple[str, ...] = ()
    # Where the hosts of Web Push endpoints are looked up: behind most proxies only the proxy can. "here" has their
    # addresses judged, and the proxy is asked for the very address that was.
    lookups: Literal["proxy", "here"] = "proxy"

    @property
    def proxy_address(self) -> ProxyAddress | None:
        """The proxy; None when connections are made directly."""
        return None if self.proxy is None else parse_proxy(self.proxy)

    def find_contradictions(self) -> Iterator[Contradiction]:
        """See :class:`Section`."""
        proxy = None
        try:
            proxy = self.proxy_address
        except ValueError as error:
            yield ("proxy",), str(error)
        for pattern in self.no_proxy:
            try:
                HostPatterns([pattern])
            except ValueError as error:
                yield ("no_proxy",), str(error)
        if self.proxy is None:
            for name in ("proxy_login_file", "ca_file", "no_proxy"):
                if getattr(self, name):
                    yield (name, "proxy"), "has no meaning without egress.proxy"
            if self.lookups == "here":
                yield ("lookups", "proxy"), "has no meaning without egress.proxy"
        elif proxy is not None and self.ca_file is not None and not proxy.is_encrypted:
            yield ("ca_file", "proxy"), "is for an https:// proxy; the one of egress.proxy is http://"
