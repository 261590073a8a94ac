"""What the simulator received: the word that a gateway's own results are checked against.

A request enters the ledger once its fate is known: answered, reset, refused, left unanswered by the scenario, or still
waiting when its connection ended. The file is NDJSON and is written in batches; `write` may be called at any time.
"""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import msgspec

_ENCODER = msgspec.json.Encoder()


class LedgerEntry(msgspec.Struct, frozen=True, gc=False):
    """One request that was seen whole, and what became of it."""

    at: int
    """UNIX time in milliseconds at which the request was whole."""
    session: int
    """Number of the connection, from 1."""
    stream: int
    destination: str
    """Device token in lower-case hex as it stood in the path, or the channel id."""
    apns_id: str | None
    """The apns-id (broadcast: apns-request-id) that the request carried or, when it carried none, was given."""
    body_sha256: str
    bytes: int
    """Length of the body."""
    status: int | None
    """Status that was answered; None: no answer left."""
    reason: str | None
    processed: bool
    """False when the client was told so: by REFUSED_STREAM, or by a GOAWAY whose last-stream-id is lower."""


class Ledger:
    """The entries of one simulator, in memory and as a file."""

    def __init__(self, path: Path | None = None, *, remembers: bool = True) -> None:
        self._remembers = remembers
        self._entries: list[LedgerEntry] = []
        self._unwritten: list[LedgerEntry] = []
        self._indexed = 0
        self._by_destination: dict[str, list[LedgerEntry]] = defaultdict(list)
        self._by_body: dict[str, list[LedgerEntry]] = defaultdict(list)
        self._file = path.open("wb") if path is not None else None

    def add(self, entry: LedgerEntry) -> None:
        """Remember one request."""
        if self._remembers:
            self._entries.append(entry)
        if self._file is not None:
            self._unwritten.append(entry)

    @property
    def entries(self) -> Sequence[LedgerEntry]:
        """Every entry in the order of adding; empty when the ledger was told not to remember."""
        return self._entries

    def of_destination(self, destination: str) -> Sequence[LedgerEntry]:
        """Return the entries of one destination, oldest first."""
        self._index()
        return self._by_destination.get(destination, ())

    def of_body(self, body_sha256: str) -> Sequence[LedgerEntry]:
        """Return the entries whose body has this SHA-256 (hex), oldest first."""
        self._index()
        return self._by_body.get(body_sha256, ())

    def write(self) -> None:
        """Hand everything new to the file."""
        if self._file is not None and self._unwritten:
            self._file.write(_ENCODER.encode_lines(self._unwritten))
            self._file.flush()
            self._unwritten.clear()

    def close(self) -> None:
        """Write what is left and close the file; what is in memory stays readable."""
        self.write()
        if self._file is not None:
            self._file.close()
            self._file = None

    def _index(self) -> None:
        """Index lazily: a load run asks nothing and should not pay for it."""
        for entry in self._entries[self._indexed :]:
            self._by_destination[entry.destination].append(entry)
            self._by_body[entry.body_sha256].append(entry)
        self._indexed = len(self._entries)


def read_ledger(path: Path) -> list[LedgerEntry]:
    """Read a ledger file; ``msgspec.DecodeError`` when a line is not an entry."""
    return msgspec.json.Decoder(LedgerEntry).decode_lines(path.read_bytes())
