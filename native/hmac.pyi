from typing import Self, final

from typing_extensions import disjoint_base

@disjoint_base
class Hmac:
    """A way to HMAC: for other native modules."""
    def __new__(cls) -> Self: ...

@final
class StateHmac(Hmac):
    """Hashes a key once and goes on from a copy of that state for each text: for other native modules."""
    def __new__(cls) -> Self: ...

@final
class EvpHmac(Hmac):
    """Hashes key and text together by one digest context: for other native modules."""
    def __new__(cls) -> Self: ...
