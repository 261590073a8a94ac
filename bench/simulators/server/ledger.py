"""What a simulator received: the word that a gateway's own results are checked against.

A request enters the ledger once its fate is known: answered, reset, refused, left unanswered by the scenario, or still
waiting when its connection ended. The file is NDJSON and is written in batches; `write` may be called at any time.
"""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Generic, TypeVar

import msgspec

_ENCODER = msgspec.json.Encoder()


class LedgerEntry(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One request that was seen whole, and what became of it. Each provider derives its own, with what it knows."""

    at: int
    """UNIX time in milliseconds at which the request was whole."""
    settled_at: int
    """And at which its fate was known: its answer left, or it was certain to get none."""
    session: int
    """Number of the connection, from 1."""
    stream: int
    """Number of the stream; over HTTP/1.1 that of the request on its connection, from 1."""
    destination: str
    body_sha256: str
    bytes: int
    """Length of the body."""
    status: int | None
    """Status that was answered; None: no answer left."""
    reason: str | None
    processed: bool
    """False when the client was told so: by REFUSED_STREAM, or by a GOAWAY whose last-stream-id is lower."""


EntryT = TypeVar("EntryT", bound=LedgerEntry)


class Ledger(Generic[EntryT]):
    """The entries of one simulator, in memory and as a file."""

    def __init__(self, path: Path | None = None, *, remembers: bool = True) -> None:
        self._remembers = remembers
        self._entries: list[EntryT] = []
        self._unwritten: list[EntryT] = []
        self._indexed = 0
        self._by_destination: dict[str, list[EntryT]] = defaultdict(list)
        self._by_body: dict[str, list[EntryT]] = defaultdict(list)
        self._path = path
        self._file: BinaryIO | None = None

    def open(self) -> None:
        """Begin the file anew, where there is one; OSError passes."""
        if self._path is not None:
            self._file = self._path.open("wb")

    @property
    def has_file(self) -> bool:
        """Whether there is a file to write to."""
        return self._file is not None

    def add(self, entry: EntryT) -> None:
        """Remember one request."""
        if self._remembers:
            self._entries.append(entry)
        if self._path is not None:
            self._unwritten.append(entry)

    @property
    def entries(self) -> Sequence[EntryT]:
        """Every entry in the order of adding; empty when the ledger was told not to remember."""
        return self._entries

    def of_destination(self, destination: str) -> Sequence[EntryT]:
        """Return the entries of one destination, oldest first."""
        self._index()
        return self._by_destination.get(destination, ())

    def of_body(self, body_sha256: str) -> Sequence[EntryT]:
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


def read_ledger(path: Path, kind: type[EntryT]) -> list[EntryT]:
    """Read the ledger file of a provider's simulator; ``msgspec.DecodeError`` when a line is no such entry."""
    return msgspec.json.Decoder(kind).decode_lines(path.read_bytes())
