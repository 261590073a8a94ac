"""Whether so many dead tokens are believable: an app's share of them of late, against what is usual for it.

Out of the ordinary is a share of 20 % and of five times the usual one, among 200 results or more of the last ten
minutes. Minutes that were out of the ordinary don't count as usual, however long they last.
"""

from collections import deque

import msgspec

MINUTE_MS = 60_000
WINDOW_MINUTES = 10
LEAST_RESULTS = 200
LEAST_SHARE = 0.2
TIMES_USUAL = 5.0
# The usual share forgets half when it has seen this many results, so that it follows slow changes.
USUAL_RESULTS = 1_000_000


class _Minute(msgspec.Struct):
    """What came in within a minute, counted from the epoch."""

    number: int
    results: int = 0
    dead: int = 0


class DeadTokenBrake:
    """One app's counts. Moments are UNIX milliseconds."""

    def __init__(self) -> None:
        self._minutes: deque[_Minute] = deque()
        self._usual = _Minute(0)
        self.results = 0
        self.dead = 0

    def note(self, results: int, dead: int, at_ms: int) -> None:
        """Count results, and how many of them called a token dead."""
        self.forget_old(at_ms)
        number = at_ms // MINUTE_MS
        if not self._minutes or self._minutes[-1].number < number:
            self._minutes.append(_Minute(number))
        self._minutes[-1].results += results
        self._minutes[-1].dead += dead
        self.results += results
        self.dead += dead

    def is_extraordinary(self, results: int, dead: int) -> bool:
        """Whether a share of dead tokens is not to be believed."""
        usual_share = self._usual.dead / self._usual.results if self._usual.results >= LEAST_RESULTS else 0.0
        return results >= LEAST_RESULTS and dead >= results * max(LEAST_SHARE, TIMES_USUAL * usual_share)

    def forget_old(self, now_ms: int) -> None:
        """Move what is older than the window into what is usual."""
        oldest = now_ms // MINUTE_MS - WINDOW_MINUTES
        is_usual = not self.is_extraordinary(self.results, self.dead)
        while self._minutes and self._minutes[0].number <= oldest:
            minute = self._minutes.popleft()
            self.results -= minute.results
            self.dead -= minute.dead
            if is_usual:
                self._learn(minute)

    def _learn(self, minute: _Minute) -> None:
        self._usual.results += minute.results
        self._usual.dead += minute.dead
        if self._usual.results > USUAL_RESULTS:
            self._usual.results //= 2
            self._usual.dead //= 2
