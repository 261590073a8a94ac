"""One request as it arrives: header fields by name, the body with its hash."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from urllib.parse import unquote_to_bytes

# Far beyond the largest message of any provider, JSON escapes included. More is counted and hashed, and not kept.
_KEPT_BODY_BYTES = 65_536


class Request:
    """Headers and body of one exchange; the body arrives in pieces."""

    __slots__ = ("_digest", "_pieces", "body_bytes", "headers", "origin", "repeated_headers")

    def __init__(self, fields: Sequence[tuple[bytes, bytes]], origin: str = "") -> None:
        self.headers: dict[bytes, bytes] = dict(fields)
        """By lower-case name, HTTP/2's pseudo-headers among them (over HTTP/1.1 as HTTP/2 would have them)."""
        self.repeated_headers = _find_repeated(fields) if len(self.headers) != len(fields) else frozenset()
        self.origin = origin
        """Name of the listening port that it came to: see `Origin`."""
        self.body_bytes = 0
        self._pieces: list[bytes] = []
        self._digest = hashlib.sha256()

    def add_data(self, data: bytes) -> None:
        """Take one piece of the body."""
        self.body_bytes += len(data)
        self._digest.update(data)
        if self.body_bytes <= _KEPT_BODY_BYTES:
            self._pieces.append(data)

    @property
    def has_repeated_header(self) -> bool:
        """Whether any field came more than once."""
        return bool(self.repeated_headers)

    @property
    def method(self) -> bytes:
        """The method."""
        return self.headers.get(b":method", b"")

    @property
    def path(self) -> bytes:
        """Path and query as they were sent."""
        return self.headers.get(b":path", b"")

    @property
    def plain_path(self) -> bytes:
        """Path and query without percent-encoding: clients differ in what they encode (RFC 3986 section 6.2.2.2)."""
        path = self.path
        return unquote_to_bytes(path) if b"%" in path else path

    @property
    def body(self) -> bytes:
        """The body; only its beginning when it is larger than 64 KiB (see ``body_bytes``)."""
        return self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)

    @property
    def body_sha256(self) -> str:
        """SHA-256 of the whole body in hex."""
        return self._digest.hexdigest()


def _find_repeated(fields: Sequence[tuple[bytes, bytes]]) -> frozenset[bytes]:
    return frozenset(name for name, count in Counter(name for name, _ in fields).items() if count > 1)
