"""What every group of settings is: frozen, closed to unknown names, and free of contradictions once it is made."""

from collections.abc import Iterator

import msgspec

from gateway.config.addresses import parse_host_port
from gateway.config.faults import SectionError

Contradiction = tuple[tuple[str, ...], str]


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A group of settings. Making one whose settings contradict each other raises :class:`SectionError`."""

    def __post_init__(self) -> None:
        contradictions = list(self.find_contradictions())
        if contradictions:
            raise SectionError(contradictions)

    def find_contradictions(self) -> Iterator[Contradiction]:
        """Yield the settings that can't stand together, with what to do about them."""
        yield from ()

    def find_bad_addresses(self, *names: str) -> Iterator[Contradiction]:
        """Yield those of the named settings that are not ``host:port``."""
        for name in names:
            try:
                parse_host_port(getattr(self, name))
            except ValueError as error:
                yield (name,), str(error)
