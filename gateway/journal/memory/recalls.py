"""Questions from one handle of a memory store to another: which of some rows it lets go of, as they are to end.

Handles share the store and nothing else, so a question is left there, and whoever has the lease answers when it runs.
One that is stalled does not: the question is then taken back, and the rows count as being sent.
"""

from collections.abc import Mapping, Sequence

import trio

from gateway.journal.books.store import StoredChunk

# A handle in good health answers within a turn of its loop; a caller who cancels should not wait for a sick one.
ANSWER_SECONDS = 1.0


class Question:
    """Rows (bits) by chunk, to be moved from one lease to that of the handle that asks. Answered once, whole.

    ``let_go`` are those that were moved.
    """

    __slots__ = ("asker", "is_answered", "lease", "let_go", "rows")

    def __init__(self, lease: int, asker: int, rows: Mapping[StoredChunk, int]) -> None:
        self.lease = lease
        self.asker = asker
        self.rows = rows
        self.let_go: dict[StoredChunk, int] = {}
        self.is_answered = trio.Event()


class RecallBoard:
    """See the module text."""

    def __init__(self) -> None:
        self._open: list[Question] = []
        self._arrival = trio.lowlevel.ParkingLot()

    def __repr__(self) -> str:
        return f"<RecallBoard with {len(self._open)} questions>"

    async def ask(self, questions: Sequence[Question]) -> None:
        """Wait until all are answered, for a second at most; what is not answered by then is taken back."""
        self._open += questions
        self._arrival.unpark_all()
        try:
            with trio.move_on_after(ANSWER_SECONDS):
                for question in questions:
                    await question.is_answered.wait()
        finally:
            self._open = [question for question in self._open if question not in questions]

    def take(self, lease: int) -> list[Question]:
        """Return the questions to a lease, which are answered now."""
        taken = [question for question in self._open if question.lease == lease]
        self._open = [question for question in self._open if question.lease != lease]
        return taken

    async def wait(self) -> None:
        """Wait for the next question to anybody."""
        await self._arrival.park()
