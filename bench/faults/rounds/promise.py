"""A promise and what a round of it sees. Numbers as in docs/promises.md."""

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import msgspec


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What one round saw. Of figures whose name begins with "most" the largest counts, others are added up."""

    count: int
    figures: Mapping[str, float]
    failures: list[str]


class Promise(msgspec.Struct, frozen=True, kw_only=True):
    """A promise and its round; ``run`` takes an empty folder and a number that no other round had.

    ``number`` may name several promises that are judged by one history, separated by spaces.
    """

    number: str
    demanded: str
    demanded_count: int
    unit: str
    run: Callable[[Path, int], Awaitable[Seen]]
