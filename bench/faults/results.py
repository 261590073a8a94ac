"""The results file of `make promises`: a line of JSON for each round, with a hash of the code that it ran.

A round counts for as long as that code stays as it was (see `sources`); later ones are kept and shown, and don't count.
"""

from datetime import UTC, datetime
from pathlib import Path

import msgspec

from bench.faults.rounds import Promise, Seen
from bench.faults.sources import hash_sources
from gateway.clock import SystemClock


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One round: ``count`` is in the promise's unit, ``at`` when it ended (ISO 8601, UTC)."""

    promise: str
    commit: str
    sources: str = ""
    at: str
    count: int
    seconds: float
    figures: dict[str, float]
    failures: list[str]


class Results:
    """All rounds of a results file; ``commit`` is told with those that are added."""

    def __init__(self, path: Path, commit: str) -> None:
        self._path = path
        self._commit = commit
        self._sources: dict[str, str] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = path.read_bytes() if path.exists() else b""
        self._records = msgspec.json.Decoder(Record).decode_lines(lines)

    def valid(self, promise: Promise) -> list[Record]:
        """Return the rounds of a promise on the code as it is."""
        sources = self._hash(promise)
        return [record for record in self._of(promise) if record.sources == sources]

    def outdated(self, promise: Promise) -> list[Record]:
        """Return the rounds of a promise on other code."""
        sources = self._hash(promise)
        return [record for record in self._of(promise) if record.sources != sources]

    def count(self, promise: Promise) -> int:
        """Return how often a promise was tried on the code as it is."""
        return sum(record.count for record in self.valid(promise))

    def add(self, promise: Promise, seen: Seen, seconds: float) -> None:
        """Append a round."""
        record = Record(
            promise=promise.number,
            commit=self._commit,
            sources=self._hash(promise),
            at=datetime.fromtimestamp(SystemClock().wall(), UTC).isoformat(timespec="seconds"),
            count=seen.count,
            seconds=round(seconds, 1),
            figures=dict(seen.figures),
            failures=seen.failures,
        )
        self._records.append(record)
        with self._path.open("ab") as file:
            file.write(msgspec.json.encode(record) + b"\n")

    def _of(self, promise: Promise) -> list[Record]:
        return [record for record in self._records if record.promise == promise.number]

    def _hash(self, promise: Promise) -> str:
        module = promise.run.__module__
        if module not in self._sources:
            self._sources[module] = hash_sources(module)
        return self._sources[module]
