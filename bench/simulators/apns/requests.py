"""One request as it arrives: header fields by name, the body with its hash, and whom it addresses."""

import hashlib
from collections.abc import Sequence

DEVICE_PATH = b"/3/device/"
BROADCAST_PATH = b"/4/broadcasts/apps/"

# The largest payload is 5,120 bytes. More is counted and hashed, and not kept.
_KEPT_BODY_BYTES = 8192


class PushRequest:
    """Headers and body of one stream; the body arrives in pieces."""

    __slots__ = ("_digest", "_pieces", "body_bytes", "has_repeated_header", "headers", "is_broadcast", "path")

    def __init__(self, fields: Sequence[tuple[bytes, bytes]]) -> None:
        self.headers: dict[bytes, bytes] = dict(fields)
        self.has_repeated_header = len(self.headers) != len(fields)
        self.path = self.headers.get(b":path", b"")
        self.is_broadcast = self.path.startswith(BROADCAST_PATH)
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
    def body(self) -> bytes:
        """The body; only its beginning when it is larger than any payload may be."""
        return self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)

    @property
    def body_sha256(self) -> str:
        """SHA-256 of the whole body in hex."""
        return self._digest.hexdigest()

    @property
    def destination(self) -> str:
        """Device token in lower case, or channel id; empty when there is none."""
        if self.is_broadcast:
            return self.headers.get(b"apns-channel-id", b"").decode("ascii", "replace")
        if self.path.startswith(DEVICE_PATH):
            return self.path[len(DEVICE_PATH) :].decode("ascii", "replace").lower()
        return ""

    @property
    def id_header(self) -> bytes:
        """Name of the header that carries the request's id: broadcasts have their own."""
        return b"apns-request-id" if self.is_broadcast else b"apns-id"
