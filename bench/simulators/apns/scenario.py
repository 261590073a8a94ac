"""What a scenario can say of APNs alone: its stream limits, and the age in a 410."""

from bench.simulators.server import AnswerEvent, CommonEvent, Scenario, StreamLimit


class ApnsStreamLimit(StreamLimit, frozen=True, kw_only=True):
    """Stream limits as APNs has them (docs/apns.md#connections): one at first, fewer after rejected tokens."""

    first: int | None = 1
    open: int = 1000
    fallen: int = 500
    """The default is mild, so that a run with a few rejected tokens keeps its speed; 1 was seen."""
    fall_after_rejected_tokens: int = 1
    """BadDeviceToken answers in a row; a 410 does not count."""


class ApnsAnswerEvent(AnswerEvent, frozen=True, kw_only=True, tag="answer"):
    """An answer of APNs; ``reason`` goes into its JSON."""

    dead_for_seconds: float | None = None
    """With 410: the timestamp lies so far back; None: the answer has no timestamp."""


class ApnsScenario(Scenario, frozen=True, kw_only=True):
    """The whole behaviour of a fake APNs. The default one is a healthy server."""

    stream_limit: ApnsStreamLimit = ApnsStreamLimit()
    events: tuple[ApnsAnswerEvent | CommonEvent, ...] = ()
