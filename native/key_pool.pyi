from typing import Self, final

@final
class KeyPool:
    """Up to ``capacity`` ready keys (97 bytes each); each is used once and wiped, all are wiped with the pool.

    Raises ValueError for a capacity below 1 or above a million, or a route that is not among ``ENCRYPTION_ROUTES``.
    """
    def __new__(cls, capacity: int, *, route: str | None = ...) -> Self: ...
    @property
    def capacity(self) -> int: ...
    def __len__(self) -> int: ...
    def fill(self, count: int) -> int:
        """Make up to ``count`` keys, as many as there is room for; return how many were added.

        Takes about 10 µs a key, without the GIL. Raises MemoryError or RuntimeError when libcrypto fails.
        """
