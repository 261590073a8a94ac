from typing import Self

from typing_extensions import disjoint_base

from native.ecdh import KeyAgreement

@disjoint_base
class PointAgreement(KeyAgreement):
    """The fast route: for other native modules."""
    def __new__(cls) -> Self: ...
