"""Every notification of a run as a row of what became of it: one row out for each line in."""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from gateway.cli.sending.notification_lines import LineFault, SourceLine
from protocol.frames import RejectedRow
from protocol.results import Result

RowOut = dict[str, Any]
"""A result in the fields of the API, or with ``outcome`` one of the words below; ``line`` is its place in the input.

========== ====================================================================================
not_sent   the line is no notification
refused    the gateway did not accept it: ``reason``, ``field`` and ``detail`` say why
accepted   the gateway has it, and nobody waits for the result
no_result  it was accepted, and has no result yet
unanswered the connection ended before the gateway said whether it accepts it; it may have
========== ====================================================================================
"""


class _OpenRow(msgspec.Struct):
    place: str
    id: str | None
    provider: str | None


class OpenRows:
    """The rows that were sent and have not come to an end; what the gateway owes its callers bounds them."""

    def __init__(self, app: str) -> None:
        self._app = app
        self._batches: dict[str, dict[int, _OpenRow]] = {}
        self._answered: set[str] = set()

    def add(self, batch_id: str, lines: Sequence[SourceLine]) -> None:
        """Note the rows of a batch that is about to be sent."""
        self._batches[batch_id] = {
            index: _OpenRow(line.place, line.notification.get("id"), _find_provider(line.notification))
            for index, line in enumerate(lines)
        }

    def answer(self, batch_id: str) -> None:
        """Note that a batch was accepted."""
        if batch_id in self._batches:
            self._answered.add(batch_id)

    def end(self, result: Result) -> RowOut | None:
        """Return the row of a result; None where it was told already."""
        row = self._take(result.batch_id, result.index)
        if row is None:
            return None
        return {name: getattr(result, name) for name in result.__struct_fields__} | {"line": row.place}

    def reject(self, batch_id: str, rejected: RejectedRow) -> RowOut | None:
        """Return the row of a notification that was rejected alone, with everything that the gateway says of it."""
        row = self._take(batch_id, rejected.index)
        if row is None:
            return None
        told = {name: value for name, value in msgspec.structs.asdict(rejected).items() if name not in {"index", "id"}}
        return self._describe(batch_id, rejected.index, row, "refused", **told)

    def end_batch(self, batch_id: str, outcome: str, **told: str | None) -> Iterator[RowOut]:
        """Yield a row for each of a batch that has not ended, all with the same words."""
        for index, row in self._batches.get(batch_id, {}).copy().items():
            self._take(batch_id, index)
            yield self._describe(batch_id, index, row, outcome, **told)

    def end_all(self) -> Iterator[RowOut]:
        """Yield a row for each that has not ended."""
        for batch_id in list(self._batches):
            yield from self.end_batch(batch_id, "no_result" if batch_id in self._answered else "unanswered")

    def describe_fault(self, fault: LineFault) -> RowOut:
        """Return the row of a line that is no notification."""
        row = _OpenRow(fault.place, None, None)
        return self._describe(None, None, row, "not_sent", reason="malformed", detail=fault.detail)

    def _take(self, batch_id: str, index: int) -> _OpenRow | None:
        rows = self._batches.get(batch_id, {})
        row = rows.pop(index, None)
        if row is not None and not rows:
            del self._batches[batch_id]
            self._answered.discard(batch_id)
        return row

    def _describe(
        self,
        batch_id: str | None,
        index: int | None,
        row: _OpenRow,
        outcome: str,
        *,
        reason: str | None = None,
        field: str | None = None,
        detail: str | None = None,
        **more: object,
    ) -> RowOut:
        named = {"batch_id": batch_id, "index": index, "id": row.id, "app": self._app, "provider": row.provider}
        said = {"outcome": outcome, "reason": reason, "field": field, "detail": detail}
        return named | said | more | {"line": row.place}


def _find_provider(notification: dict[str, Any]) -> str | None:
    return next(iter(notification["to"]), None)
