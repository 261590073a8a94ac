from typing import Self

from native.ecdh import KeyAgreement

class EvpAgreement(KeyAgreement):
    """The EVP route: for other native modules."""
    def __new__(cls) -> Self: ...
