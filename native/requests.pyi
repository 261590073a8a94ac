from collections.abc import Sequence
from typing import Any, Self, final

@final
class HeaderSet:
    """Header fields that many requests share, ready for the wire; immutable.

    ``fields`` are (name, value, indexed): indexed ones enter the HPACK dynamic table, the others are literals that
    never do. Raises ValueError for a pseudo-header, a connection-specific, upper-case or empty name, or an illegal
    octet.
    """
    def __new__(cls, fields: Sequence[tuple[bytes, bytes, bool]] = ...) -> Self: ...
    @property
    def fields(self) -> tuple[tuple[bytes, bytes, bool], ...]: ...

@final
class Requests:
    """A batch of POST requests as arrays; rows are numbered from 0 and belong to one session at a time each.

    ``paths`` one a row. ``bodies`` one a row, or distinct ones picked by ``body_of_row``. ``header_sets`` are picked
    by ``header_set_of_row`` (None: every row takes number 0; without header sets rows have none). ``uuid_header`` =
    (name, 12-byte prefix, first number): row i carries the lower-case UUID text of prefix + number as 32-bit
    big-endian, a literal never indexed; the number is ``uuid_numbers[i]`` where that is given, else first number + i.
    ``row_fields`` = (name, one value or None a row), literals never indexed. ``owner`` is the caller's own object.
    Raises ValueError naming the row whose path, body or header can't be sent, TypeError for what isn't bytes; neither
    shows a value.
    """
    def __new__(
        cls,
        *,
        paths: Sequence[bytes],
        bodies: Sequence[bytes],
        body_of_row: Sequence[int] | None = ...,
        header_sets: Sequence[HeaderSet] = ...,
        header_set_of_row: Sequence[int] | None = ...,
        uuid_header: tuple[bytes, bytes, int] | None = ...,
        uuid_numbers: Sequence[int] | None = ...,
        row_fields: Sequence[tuple[bytes, Sequence[bytes | None]]] = ...,
        owner: Any = ...,  # noqa: ANN401 - the caller's own type
    ) -> Self: ...
    owner: Any
    def __len__(self) -> int: ...
    @property
    def in_flight(self) -> int:
        """Rows submitted to a session and not yet ended."""
    def take_successes(self) -> list[tuple[int, int]]:
        """Return row ranges (start, stop) that ended in a plain success since the last call, in row order."""
