from typing import Self

from native.ecdh import KeyAgreement

class PointAgreement(KeyAgreement):
    """The fast route: for other native modules."""
    def __new__(cls) -> Self: ...
