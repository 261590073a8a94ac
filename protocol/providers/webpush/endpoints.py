"""Which endpoints may be sent to, and the origin that each belongs to (docs/web-push.md#subscriptions).

An endpoint is a URL that some stranger's browser, or a stranger, has handed to the caller: it is attacker-controlled,
and the gateway is going to POST to it with a signed header. So its authority is taken apart here by a grammar that
knows nothing but ``host`` and ``host:port``, and what is left is compared label by label with a list of allowed hosts.
No library's idea of a URL stands between: where two parsers disagree about one, the request goes astray.

Path and query are a secret of the subscription: they are kept byte for byte and never shown.
"""

import re
from collections.abc import Mapping

import msgspec

from protocol.providers.webpush.services import KNOWN_HOSTS, REMOVED_HOST, Service
from protocol.reasons import Reason
from protocol.rejections import DeadDestination, RowError

FIELD = "to.webpush.endpoint"
ENDPOINT_LIMIT_CHARACTERS = 2048
HTTPS_PORT = 443
# An app's subscribers use a handful of origins; the bound keeps made-up ones under a wide pattern from piling up.
REMEMBERED_ORIGINS = 10_000

# Visible ASCII without what would end the path, or what a browser would have escaped or turned around.
_PATH = r"/[!$-;=?-\[\]-~]*"
_URL = re.compile(rf"(?i:https)://([^/]*)({_PATH})")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_AUTHORITY = re.compile(r"([A-Za-z0-9._-]+)(?::([0-9]{1,5}))?")
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*")
# What resolvers and browsers read as an IPv4 address: the last label is a number, decimal, octal or hex (WHATWG URL).
_NUMERIC_END = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")
# Names that are nobody's on the internet: what resolves them stands in somebody's own network (RFC 6761, 6762, 7686,
# 8375, 9476; ICANN set "internal" aside in 2024), and what home routers and firms use in their place.
_NOT_PUBLIC_ENDS = frozenset(
    {
        *("alt", "arpa", "example", "internal", "invalid", "local", "localhost", "onion", "test"),
        *("corp", "domain", "home", "intranet", "lan", "localdomain", "private", "workgroup"),
    }
)
_PATTERN = re.compile(rf"(\*\.)?({_LABEL}(?:\.{_LABEL})*)(?::([1-9][0-9]{{0,4}}))?")


class Endpoint(msgspec.Struct, frozen=True, gc=False):
    """An allowed endpoint. ``origin`` is normalised, and the ``aud`` of VAPID; ``path`` has the query with it."""

    origin: str
    path: bytes


class EndpointPolicy:
    """The allowed hosts: the known push services, and what a setting adds.

    ``more_hosts`` are patterns ``push.example.org``, ``*.example.org`` (one or more labels in front) or either with
    ``:port``, each with the habits of its service. Raises ValueError for what is none.

    ``takes_public_hosts``: any other host with a public name is allowed too, at port 443, with no habits of its own.
    What such a name resolves to has to be judged before it is connected to.
    """

    def __init__(self, more_hosts: Mapping[str, Service] = {}, *, takes_public_hosts: bool = False) -> None:
        self._takes_public_hosts = takes_public_hosts
        self._exact: dict[tuple[str, int], Service] = {}
        self._below: dict[tuple[str, int], Service] = {}
        for pattern, service in {**KNOWN_HOSTS, **more_hosts}.items():
            is_wildcard, host, port = _read_pattern(pattern)
            (self._below if is_wildcard else self._exact)[host, port] = service
        self._origins: dict[str, str] = {}

    def read_endpoint(self, url: str) -> Endpoint:
        """Return an endpoint as it may be sent to. Raises RowError; nothing of the URL is repeated."""
        authority, path = _split_url(url)
        origin = self._origins.get(authority)
        if origin is None:
            origin = self._check_authority(authority, url)
            if len(self._origins) >= REMEMBERED_ORIGINS:
                self._origins.clear()
            self._origins[authority] = origin
        return Endpoint(origin, path)

    def find_service(self, origin: str) -> Service | None:
        """Return whose habits an origin of :meth:`read_endpoint` has; None when it isn't allowed (any more)."""
        host, port = split_origin(origin)
        return self._find(host, port)

    def _check_authority(self, authority: str, url: str) -> str:
        host, port = _split_authority(authority)
        if host == REMOVED_HOST:
            dead = DeadDestination(provider="webpush", destination=url)
            raise RowError(Reason.DEAD_TOKEN, FIELD, "the browser says that this subscription is gone for good", dead)
        if self._find(host, port) is None:
            if self._takes_public_hosts:
                raise _refuse("its host has no public name, or its port is neither 443 nor allowed by a setting")
            raise _refuse("its host and port are none of a push service that this gateway sends to")
        return make_origin(host, port)

    def _find(self, host: str, port: int) -> Service | None:
        if _is_apple_device_api(host):
            return None
        service = self._exact.get((host, port))
        parent = host
        while service is None and "." in parent:
            parent = parent.partition(".")[2]
            service = self._below.get((parent, port))
        if service is None and self._takes_public_hosts and port == HTTPS_PORT and _is_public_name(host):
            return Service.OTHER
        return service


def make_origin(host: str, port: int) -> str:
    """Return scheme, host and port as VAPID's ``aud`` wants them, short of a default port (RFC 6454 section 6.2)."""
    return f"https://{host}" if port == HTTPS_PORT else f"https://{host}:{port}"


def split_origin(origin: str) -> tuple[str, int]:
    """Return host and port of an origin made by :func:`make_origin`."""
    host, _, port = origin.removeprefix("https://").partition(":")
    return host, int(port or HTTPS_PORT)


def _split_url(url: str) -> tuple[str, bytes]:
    """Return the authority as it was written and the path with its query."""
    parts = _URL.fullmatch(url)
    if parts is None or len(url) > ENDPOINT_LIMIT_CHARACTERS:
        raise _find_fault(url)
    authority, path = parts.groups()
    return authority, path.encode()


def _find_fault(url: str) -> RowError:
    """Return what is wrong with a URL that is no endpoint."""
    if len(url) > ENDPOINT_LIMIT_CHARACTERS:
        return _invalid(f"an endpoint has at most {ENDPOINT_LIMIT_CHARACTERS} characters")
    scheme = _SCHEME.match(url)
    if scheme is None:
        return _invalid("an endpoint is an absolute https URL")
    if scheme[1].lower() != "https":
        return _refuse("an endpoint is an https URL, of no other scheme")
    return _invalid("the host is followed by a path of visible ASCII without a fragment")


def _split_authority(authority: str) -> tuple[str, int]:
    """Return host in lower case, one trailing dot removed, and port."""
    if "@" in authority:
        raise _refuse("an endpoint has no user name or password")
    if not authority.isascii():
        raise _refuse("an international host is written in its ASCII form (A-labels)")
    parts = _AUTHORITY.fullmatch(authority)
    if parts is None:
        raise _refuse("the host is neither a name nor a name and a port; IP addresses are not allowed")
    host = parts[1].lower().removesuffix(".")
    if not _HOST.fullmatch(host):
        raise _refuse("the host is no DNS name")
    if _NUMERIC_END.fullmatch(host):
        raise _refuse("the host is a name: IP addresses are not allowed in any notation")
    return host, HTTPS_PORT if parts[2] is None else int(parts[2])


def _is_public_name(host: str) -> bool:
    """Whether the internet's DNS may know a name: of more than one label, and not below what is set aside."""
    _, dot, end = host.rpartition(".")
    return bool(dot) and end not in _NOT_PUBLIC_ENDS


def _is_apple_device_api(host: str) -> bool:
    """Whether this is APNs itself, which stands beside Apple's Web Push service under one domain."""
    return host == "api.push.apple.com" or (host.startswith("api.") and host.endswith(".push.apple.com"))


def _read_pattern(pattern: str) -> tuple[bool, str, int]:
    parts = _PATTERN.fullmatch(pattern.lower())
    if parts is None or _NUMERIC_END.fullmatch(parts[2]):
        raise ValueError(f"{pattern!r} is no host pattern: write push.example.org, *.example.org or host:port")
    return parts[1] is not None, parts[2], int(parts[3] or HTTPS_PORT)


def _refuse(detail: str) -> RowError:
    return RowError(Reason.ENDPOINT_NOT_ALLOWED, FIELD, detail)


def _invalid(detail: str) -> RowError:
    return RowError(Reason.INVALID_TOKEN, FIELD, detail)
