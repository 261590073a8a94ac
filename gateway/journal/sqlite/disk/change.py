"""One change of the journal on its way to being committed, and who waits for it."""

from collections.abc import Iterable, Sequence

import trio

Parameters = Sequence[object]


class Change:
    """Statements that are committed together. ``admits``: it takes on new work and may be refused for lack of room."""

    __slots__ = ("_done", "admits", "error", "size_bytes", "statements")

    def __init__(self, *, admits: bool = False) -> None:
        self.admits = admits
        self.statements: list[tuple[str, list[Parameters]]] = []
        self.size_bytes = 0
        self.error: Exception | None = None
        self._done = trio.Event()

    def add(self, statement: str, rows: Iterable[Parameters], size_bytes: int = 64) -> None:
        """Add one statement with its rows of parameters; without rows there is nothing to do."""
        parameters = list(rows)
        if parameters:
            self.statements.append((statement, parameters))
            self.size_bytes += size_bytes

    async def wait(self) -> None:
        """Wait until it was committed. Raises what became of it otherwise."""
        with trio.CancelScope(shield=True):
            await self._done.wait()
        if self.error is not None:
            raise self.error

    def finish(self) -> None:
        """Wake who waits; in trio's own thread."""
        self._done.set()
