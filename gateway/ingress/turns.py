"""Whose frames are next: connections take turns, so that one with many cheap frames slows nobody else.

In each turn of the loop one connection deals with a slice of its frames: at most SLICE_FRAMES and about SLICE_BYTES,
some 0.05 ms. So a loop turn takes as long however many connections have frames waiting, and whatever a batch does
between its arrival and its answer is held up by one slice a turn. Who has just received something goes first, in
alternation with those who had a turn and have more: a flood waits for others and others never for all of it.

Reading is work too: receiving 64 KiB takes as long as a slice. A read that brings no whole frame, and one whose bytes
are thrown away, takes a turn of the second kind before the next read, so that one such a loop turn goes on.
"""

import trio

SLICE_FRAMES = 8
SLICE_BYTES = 64 * 1024


class Turns:
    """Shared by all connections of a door. A turn is held for synchronous work only, from `take` to `pass_on`."""

    def __init__(self) -> None:
        self._is_taken = False
        self._fresh = trio.lowlevel.ParkingLot()
        self._again = trio.lowlevel.ParkingLot()
        self._was_fresh = False

    def __repr__(self) -> str:
        return f"<Turns: {len(self._fresh)} wait for one, {len(self._again)} for another>"

    async def take(self, *, again: bool) -> None:
        """Wait for a turn; ``again`` says that the last one did not suffice. Not a checkpoint when it is free."""
        if self._is_taken:
            await (self._again if again else self._fresh).park()
        self._is_taken = True

    async def pass_on(self) -> None:
        """End a turn. It counts until the loop's next turn, so that whoever comes in this one waits. A checkpoint."""
        if self._hand_over():
            return
        try:
            await trio.lowlevel.checkpoint()
        finally:
            self._is_taken = self._hand_over()

    async def wait_last(self) -> None:
        """Let those go first who have something to do, by one turn; for who read bytes that are nothing whole yet."""
        await self.take(again=True)
        await self.pass_on()

    def _hand_over(self) -> bool:
        """Give the turn to who waits for it; False when nobody does."""
        first, second = (self._again, self._fresh) if self._was_fresh else (self._fresh, self._again)
        chosen = first or second
        self._was_fresh = chosen is self._fresh
        return bool(chosen.unpark())
