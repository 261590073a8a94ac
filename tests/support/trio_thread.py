"""A trio loop in a thread of its own, for tests that must stay synchronous (hypothesis' state machines)."""

import threading
from collections.abc import Awaitable, Callable
from queue import SimpleQueue
from typing import Any, TypeVar

import trio

Value = TypeVar("Value")


class TrioThread:
    """Runs async functions one at a time, all in the same loop, until closed."""

    def __init__(self) -> None:
        self._started: SimpleQueue[tuple[trio.lowlevel.TrioToken, trio.Event]] = SimpleQueue()
        self._thread = threading.Thread(target=trio.run, args=(self._main,))
        self._thread.start()
        self._token, self._closing = self._started.get()

    async def _main(self) -> None:
        closing = trio.Event()
        self._started.put((trio.lowlevel.current_trio_token(), closing))
        await closing.wait()

    def call(self, async_function: Callable[..., Awaitable[Value]], *args: Any) -> Value:
        """Return what ``await async_function(*args)`` returns."""
        return trio.from_thread.run(async_function, *args, trio_token=self._token)

    def close(self) -> None:
        """End the loop and its thread."""
        trio.from_thread.run_sync(self._closing.set, trio_token=self._token)
        self._thread.join()
