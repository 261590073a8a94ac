"""Origins that were never reached are tried a few at a time, in the order in which they asked.

Whoever registers Web Push subscriptions names their origins, thousands at once if he likes. Each try costs a lookup, a
socket and a task, so the others wait without any of them.
"""

from collections.abc import Callable

from gateway.wakeup import Wakeup

# Enough that one which leads nowhere, and takes its whole time-out, delays the others little; few enough that their
# lookups, sockets and handshakes leave room for the origins that are known.
MOST_TRIES = 64


class FirstTries:
    """The tries of one kind of provider: ``most`` at once. A waiting lane is known by its wakeup.

    One that waits with work of its own and nothing else has no task yet: its turn begins with starting that.
    """

    __slots__ = ("_most", "_trying", "_waiting")

    def __init__(self, most: int = MOST_TRIES) -> None:
        self._most = most
        self._trying = 0
        self._waiting: dict[Wakeup, Callable[[], None]] = {}  # what to do when the turn comes

    def __repr__(self) -> str:
        return f"<FirstTries {self._trying} of {self._most}, {len(self._waiting)} waiting>"

    def begin(self, wakeup: Wakeup) -> bool:
        """Return whether the lane may try now, until :meth:`end`; else ``wakeup`` is set when it should ask again."""
        if self._is_next(wakeup):
            self._waiting.pop(wakeup, None)
            self._trying += 1
            self._wake_next()
            return True
        self._waiting[wakeup] = wakeup.set
        return False

    def wait_turn(self, wakeup: Wakeup, begin: Callable[[], None]) -> bool:
        """Return whether a lane without a task should have one now; else ``begin`` is called when it should.

        It asks by itself then, or leaves.
        """
        is_next = self._is_next(wakeup)
        self._waiting[wakeup] = wakeup.set if is_next else begin
        return is_next

    def end(self) -> None:
        """Make room for another one, however the try ended."""
        self._trying -= 1
        self._wake_next()

    def leave(self, wakeup: Wakeup) -> None:
        """Stop waiting: the lane has nothing more to try for."""
        if wakeup in self._waiting:
            del self._waiting[wakeup]
            self._wake_next()

    def _is_next(self, wakeup: Wakeup) -> bool:
        return self._trying < self._most and (not self._waiting or next(iter(self._waiting)) is wakeup)

    def _wake_next(self) -> None:
        if self._waiting and self._trying < self._most:
            next(iter(self._waiting.values()))()
