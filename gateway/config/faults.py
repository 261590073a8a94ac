"""What is wrong with a configuration: every fault with its place, reported together."""

from collections.abc import Sequence

import msgspec


class Fault(msgspec.Struct, frozen=True):
    """One thing to correct: ``place`` is a setting, a variable or a file; ``detail`` never shows what may be secret."""

    place: str
    detail: str

    def __str__(self) -> str:
        return f"{self.place}: {self.detail}"


class ConfigError(Exception):
    """The configuration can't be used; ``faults`` lists everything that was found, not only the first."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = tuple(faults)


class SectionError(ValueError):
    """Settings of one section contradict each other: (names of the settings concerned, what to do about it)."""

    def __init__(self, contradictions: Sequence[tuple[tuple[str, ...], str]]) -> None:
        super().__init__("; ".join(f"{', '.join(names)}: {detail}" for names, detail in contradictions))
        self.contradictions = tuple(contradictions)
