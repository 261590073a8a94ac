"""Apps with one identity at a provider share one source of tokens: the provider counts by identity, not by app."""

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from gateway.config import Fault

Source = TypeVar("Source")


class SharedSources(Generic[Source]):
    """Sources by identity, each with the key it was made from and the setting that named it first."""

    def __init__(self, faults: list[Fault], name_of_identity: str) -> None:
        self._faults = faults
        self._name_of_identity = name_of_identity
        self._known: dict[Hashable, tuple[bytes, str, Source]] = {}

    def share(self, identity: Hashable, public_bytes: bytes, place: str, make: Callable[[], Source]) -> Source:
        """Return the source of an identity, made when there is none; note a fault when its key is another one."""
        if identity not in self._known:
            self._known[identity] = (public_bytes, place, make())
        known_bytes, first_place, source = self._known[identity]
        if known_bytes != public_bytes:
            self._faults.append(Fault(place, f"another key than {first_place} under the same {self._name_of_identity}"))
        return source
