"""Scenario files: how a simulator is to behave, as frozen structs read from TOML. docs/simulators.md shows examples.

`Scenario` is what all providers share. A provider derives its own for other defaults, its own kind of `AnswerEvent`, or
sections that nobody else has; `parse_scenario` is told which one to read.
"""

import tomllib
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar

import msgspec

from bench.simulators.server.events import (
    AnswerEvent,
    CutEvent,
    GoawayEvent,
    ResetEvent,
    Section,
    SilenceEvent,
    StreamLimitEvent,
)


class ScenarioError(ValueError):
    """A scenario cannot be used; the message names the place and the fault."""


class Latency(Section, frozen=True, kw_only=True):
    """How long an answer waits after its request is whole."""

    distribution: Literal["none", "fixed", "uniform", "exponential"] = "none"
    seconds: float = 0.0
    """The span of ``fixed``, the mean of ``exponential``, the most of ``uniform``."""
    least_seconds: float = 0.0
    """The least of ``uniform``; added to every draw of ``exponential``."""

    def __post_init__(self) -> None:
        if self.seconds < 0 or self.least_seconds < 0:
            raise ValueError("latency cannot be negative")
        if self.distribution == "uniform" and self.least_seconds > self.seconds:
            raise ValueError(f"uniform latency needs least_seconds ({self.least_seconds}) <= seconds ({self.seconds})")


class StreamLimit(Section, frozen=True, kw_only=True):
    """SETTINGS_MAX_CONCURRENT_STREAMS over the life of a connection. A provider derives its own defaults."""

    first: int | None = None
    """Until a good credential was seen on the connection; None: ``open`` from the start."""
    open: int = 100
    fallen: int = 1
    """After rejected tokens."""
    fall_after_rejected_tokens: int = 0
    """Rejected tokens in a row that lower the limit; 0: it never falls."""
    rise_after_good_answers: int = 1
    """Successes that raise it again."""


class Settings(Section, frozen=True, kw_only=True):
    """The other SETTINGS, with the values seen at APNs in 2021, and when the first frame leaves."""

    delay_seconds: float = 0.0
    """The first SETTINGS frame, and so everything else, leaves this late."""
    header_table_bytes: int = 4096
    initial_window_bytes: int = 65_535
    largest_frame_bytes: int = 16_384
    header_list_bytes: int = 8_000


CommonEvent = SilenceEvent | ResetEvent | CutEvent | GoawayEvent | StreamLimitEvent
"""What every provider's scenario can say besides answers."""


class Scenario(Section, frozen=True, kw_only=True):
    """The whole behaviour of a simulator. The default one is a healthy server."""

    seed: int = 0
    latency: Latency = Latency()
    stream_limit: StreamLimit = StreamLimit()
    settings: Settings = Settings()
    events: tuple[AnswerEvent | CommonEvent, ...] = ()
    """Of the events that decide a request's fate (answer, silence, reset, cut) the first that matches wins."""
    origins: ClassVar[tuple[str, ...]] = ()
    """The ports that an event may be narrowed to; a provider with several names them."""

    def __post_init__(self) -> None:
        for event in self.events:
            if event.origin is not None and event.origin not in self.origins:
                known = f"known are {', '.join(self.origins)}" if self.origins else "this simulator has a single one"
                raise ValueError(f"unknown origin {event.origin!r}; {known}")


ScenarioT = TypeVar("ScenarioT", bound=Section)


def parse_scenario(text: str, kind: type[ScenarioT], *, source: str = "scenario") -> ScenarioT:
    """Read a scenario of this kind from TOML; `ScenarioError` names ``source``, the place inside it and the fault."""
    try:
        return msgspec.convert(_parse_toml(text, source), kind)
    except msgspec.ValidationError as error:
        fault, _, place = str(error).partition(" - at `$.")
        where = f", {place.rstrip('`')}" if place else ""
        raise ScenarioError(f"{source}{where}: {fault}") from error


def load_scenario(path: Path, kind: type[ScenarioT]) -> ScenarioT:
    """Read a scenario file; `ScenarioError` when it is unreadable or wrong."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ScenarioError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ScenarioError(f"{path}: cannot be read: {error}") from error
    return parse_scenario(text, kind, source=str(path))


def _parse_toml(text: str, source: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"{source}: {error}") from error
