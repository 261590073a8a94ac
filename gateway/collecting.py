"""When Python's garbage collector may run, so that it doesn't hold the loop while there is work.

Measured with `pushmill bench gateway`: with Python's own settings full collections took up to 37 ms of the loop at a
hundred thousand notifications in memory, and half of the throughput. Nearly nothing here is cyclic, and what is (an
exception with its traceback, a task that has ended) is mostly young. So young objects are collected as they come, old
ones when nothing is owed, and otherwise once in a long while: memory must not grow for ever where work never ends.
"""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import trio

# Containers made since the last collection of the young: 0.3 ms of work, and 1.8 ms at worst. Of 10,000 it was 25 ms.
YOUNG_OBJECTS = 1_000
LOOK_SECONDS = 1.0
# Between two full collections while nothing is owed.
IDLE_SECONDS = 60.0
# While work never ends.
BUSY_SECONDS = 1800.0
# Never reached: the old are collected by the clock and not by a count.
_NEVER = 1_000_000_000


@contextmanager
def collecting_the_young_only() -> Iterator[None]:
    """Set the collector for a block: what stands now is never looked at again, and nothing old by itself."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, _NEVER, _NEVER)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


async def collect_when_idle(is_idle: Callable[[], bool]) -> None:
    """Collect everything now and then, until cancelled: soon while ``is_idle`` says so, rarely else."""
    collected_at = trio.current_time()
    while True:
        await trio.sleep(LOOK_SECONDS)
        waited = trio.current_time() - collected_at
        if waited >= BUSY_SECONDS or (waited >= IDLE_SECONDS and is_idle()):
            gc.collect()
            collected_at = trio.current_time()
