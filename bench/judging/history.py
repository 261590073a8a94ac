"""The caller's own history: what it submitted, each answer, every result, each with the moment.

Three NDJSON files, appended to as things happen, so that what a killed caller knew is still there. Moments are seconds
of the caller's monotonic clock.
"""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self, TypeVar

import msgspec

Record = TypeVar("Record")


class ProviderName(StrEnum):
    """The three providers, as results name them."""

    APNS = "apns"
    FCM = "fcm"
    WEBPUSH = "webpush"


class Kind(StrEnum):
    """What is to become of a notification."""

    LIVE = "live"
    DEAD = "dead"
    MALFORMED = "malformed"


class Submission(msgspec.Struct, frozen=True, kw_only=True):
    """One notification as it was submitted."""

    batch_id: str
    index: int
    id: str
    provider: ProviderName
    kind: Kind
    destination: str
    body_sha256: str
    refusal: str | None
    """The reason word with which the gateway must refuse it; None: it must take it."""
    sent_at: float
    reports_unknown: bool = False
    """Whether it must not be sent again when nobody knows what became of it."""
    is_last_act: bool = False


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """A notification that the gateway refused in the answer to its batch."""

    index: int
    reason: str


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the gateway said to a batch. ``error`` is the reason word when it took nothing of it."""

    batch_id: str
    accepted: int
    refused: list[Refusal]
    error: str | None
    answered_at: float


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """One result as it came from the feed."""

    batch_id: str
    index: int
    id: str | None
    provider: str
    outcome: str
    reason: str | None
    provider_id: str | None
    attempts: int
    uncertain_attempts: int
    received_at: float
    reading: int = 1
    """How often the caller had begun to read by then: a result may come again at each new beginning."""

    def is_same_result(self, other: "Receipt") -> bool:
        """Whether both say the same, whenever they came."""
        return msgspec.structs.replace(other, received_at=self.received_at, reading=self.reading) == self


class History(msgspec.Struct, frozen=True, kw_only=True):
    """All of it."""

    submissions: list[Submission]
    answers: list[Answer]
    receipts: list[Receipt]


def history_files(directory: Path) -> tuple[Path, Path, Path]:
    """Return where submissions, answers and results are written."""
    return directory / "submissions.ndjson", directory / "answers.ndjson", directory / "results.ndjson"


class HistoryWriter:
    """Appends to the files of a history; every call hands its records to the operating system at once."""

    def __init__(self, directory: Path) -> None:
        self._submissions, self._answers, self._receipts = (path.open("wb") for path in history_files(directory))
        self._encoder = msgspec.json.Encoder()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for file in (self._submissions, self._answers, self._receipts):
            file.close()

    def add_submissions(self, submissions: list[Submission]) -> None:
        """Note a batch, before its first byte leaves."""
        self._write(self._submissions, submissions)

    def add_answer(self, answer: Answer) -> None:
        """Note the answer to a batch."""
        self._write(self._answers, [answer])

    def add_receipts(self, receipts: list[Receipt]) -> None:
        """Note results, before they are acknowledged."""
        self._write(self._receipts, receipts)

    def _write(self, file: BinaryIO, records: Sequence[msgspec.Struct]) -> None:
        file.write(self._encoder.encode_lines(records))
        file.flush()


def read_records(path: Path, kind: type[Record]) -> list[Record]:
    """Read NDJSON; without a file there are none, and a last line without its end is left out."""
    if not path.exists():
        return []
    lines, _, _ = path.read_bytes().rpartition(b"\n")
    return msgspec.json.Decoder(kind).decode_lines(lines)


def read_history(directory: Path) -> History:
    """Read what a caller left, however it ended."""
    submissions, answers, receipts = history_files(directory)
    return History(
        submissions=read_records(submissions, Submission),
        answers=read_records(answers, Answer),
        receipts=read_records(receipts, Receipt),
    )
