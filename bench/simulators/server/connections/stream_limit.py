"""How many streams a connection allows, over its life.

Where the provider has a first limit it stands until a good credential was seen; then, or from the start, the open limit
does. Rejected tokens may lower it, good answers raise it. What is *wanted* is announced in SETTINGS; what is *enforced*
is never less than anything the client has not acknowledged yet, so that a client which obeys as soon as it can is never
accused.
"""

from collections import deque

from bench.simulators.server.answers import Answer
from bench.simulators.server.scenario import StreamLimit


class StreamWindow:
    """The limit of one connection: wanted, announced, enforced."""

    __slots__ = (
        "_acknowledged",
        "_good",
        "_is_fallen",
        "_is_first",
        "_limits",
        "_rejected",
        "_unacknowledged",
        "wanted",
    )

    def __init__(self, limits: StreamLimit, *, is_sender_known: bool) -> None:
        self._limits = limits
        self._is_fallen = False
        self._rejected = self._good = 0
        self.wanted = limits.open if is_sender_known or limits.first is None else limits.first
        self._is_first = not is_sender_known and limits.first is not None
        # The first SETTINGS frame carries it. A client that has not seen that frame must keep to it all the same.
        self._unacknowledged = deque([self.wanted])
        self._acknowledged = 0

    @property
    def enforced(self) -> int:
        """The streams that the client may have open as far as we can know."""
        return max(self._acknowledged, *self._unacknowledged) if self._unacknowledged else self._acknowledged

    def open_up(self) -> None:
        """Take note of a good credential."""
        if self._is_first:
            self._is_first = False
            self.wanted = self._limits.open

    def take_answer(self, answer: Answer) -> None:
        """Lower or raise the limit after an answer."""
        if answer.rejects_token:
            self._good = 0
            self._rejected += 1
            if not self._is_first and self._rejected == self._limits.fall_after_rejected_tokens:
                self._is_fallen = True
                self.wanted = self._limits.fallen
        elif answer.is_success:
            self._rejected = 0
            self._good += 1
            if self._is_fallen and self._good >= self._limits.rise_after_good_answers:
                self._is_fallen = False
                self.wanted = self._limits.open

    def set(self, limit: int) -> None:
        """Want a certain limit until something changes it."""
        self._is_first = self._is_fallen = False
        self.wanted = limit

    def announce(self) -> int | None:
        """Return the limit to send, or None when the last one announced still stands."""
        announced = self._unacknowledged[-1] if self._unacknowledged else self._acknowledged
        if announced == self.wanted:
            return None
        self._unacknowledged.append(self.wanted)
        return self.wanted

    def acknowledge(self) -> None:
        """Take the client's acknowledgement of the oldest SETTINGS frame."""
        if self._unacknowledged:
            self._acknowledged = self._unacknowledged.popleft()
