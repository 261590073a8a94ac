"""Says once when a lane's requests stay unanswered though connections are replaced, and once when that is over."""

from gateway.telemetry.listener import DeliveryListener

# Of the time after which one session is stalled: by then another stood beside it for as long, and did not help.
PATIENCE = 2


class StallAlarm:
    """For one lane. ``stall_after_seconds`` is when a single session counts as stalled."""

    def __init__(self, lane: str, stall_after_seconds: float, listener: DeliveryListener, now: float) -> None:
        self._lane = lane
        self._patience_seconds = PATIENCE * stall_after_seconds
        self._listener = listener
        self._answered = 0
        self._progress_at = now
        self._is_on = False

    def __repr__(self) -> str:
        return f"<StallAlarm {self._lane}: {'on' if self._is_on else 'off'}>"

    def look(self, now: float, *, answered: int, is_waiting: bool) -> None:
        """Judge by all answers of the lane so far. ``is_waiting``: rows wait that may be sent, or for their answers."""
        if answered != self._answered:
            self._answered = answered
            self._progress_at = now
            if self._is_on:
                self._is_on = False
                self._listener.lane_answered(self._lane)
        elif not is_waiting:
            self._progress_at = now
        elif not self._is_on and now - self._progress_at >= self._patience_seconds:
            self._is_on = True
            self._listener.lane_unanswered(self._lane, now - self._progress_at)
