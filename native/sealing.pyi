from typing import Self, final

from native.hmac import Hmac

@final
class Sealer:
    """Contexts that one thread uses at a time: for other native modules."""
    def __new__(cls, hmac: Hmac) -> Self: ...
