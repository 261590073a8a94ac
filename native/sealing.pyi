from typing import Self, final

@final
class Sealer:
    """Contexts that one thread uses at a time: for other native modules."""
    def __new__(cls) -> Self: ...
