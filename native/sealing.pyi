from typing import Self

class Sealer:
    """Contexts that one thread uses at a time: for other native modules."""
    def __new__(cls) -> Self: ...
