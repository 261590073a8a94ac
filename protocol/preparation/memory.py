"""What many rows of a batch share: made once, when the first one asks, and handed out as the same object."""

from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

from protocol.rejections import RowError

# Rows whose options all differ would otherwise keep a plan each; so many distinct ones share nothing worth keeping.
REMEMBERED = 1000

Value = TypeVar("Value")


class Memory(Generic[Value]):
    """Values by what they were made for. Why one could not be made is remembered too."""

    def __init__(self) -> None:
        self._found: dict[Hashable, Value | RowError] = {}
        self.find: Callable[[Hashable], Value | RowError | None] = self._found.get
        """What is remembered for a key as it stands: a look-up and no more, for what is asked for every row."""

    def get(self, key: Hashable, make: Callable[..., Value], *arguments: Any) -> Value:  # noqa: ANN401 - the maker's own
        """Return what ``make(*arguments)`` returned for this key at first. Raises RowError where it did."""
        found = self._found.get(key)
        if found is None:
            found = self._remember(key, _attempt(make, arguments))
        if isinstance(found, RowError):
            raise found.again()
        return found

    def _remember(self, key: Hashable, value: Value | RowError) -> Value | RowError:
        if len(self._found) >= REMEMBERED:
            del self._found[next(iter(self._found))]  # the oldest: letting all of them go at once takes a while
        self._found[key] = value
        return value


def _attempt(make: Callable[..., Value], arguments: tuple[Any, ...]) -> Value | RowError:
    try:
        return make(*arguments)
    except RowError as error:
        return error
