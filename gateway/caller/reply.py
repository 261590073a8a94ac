"""One value that somebody waits for."""

from typing import Generic, TypeVar

import trio

Value = TypeVar("Value")


class Reply(Generic[Value]):
    """Set once, by the task that reads; waited for by the one that asked."""

    def __init__(self) -> None:
        self._arrived = trio.Event()
        self._value: Value | None = None
        self._error: Exception | None = None

    def set(self, value: Value) -> None:
        """Let the waiting task go on."""
        self._value = value
        self._arrived.set()

    def fail(self, error: Exception) -> None:
        """Let the waiting task go on by raising."""
        self._error = error
        self._arrived.set()

    async def wait(self) -> Value:
        """Return the value when it is there."""
        await self._arrived.wait()
        if self._error is not None:
            raise self._error
        assert self._value is not None  # noqa: S101 - no reply is None
        return self._value
