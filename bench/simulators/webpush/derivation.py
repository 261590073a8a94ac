"""Everything secret in a run comes from one secret and a name, so that nothing has to be stored (RFC 5869, expand).

The same secret makes the same run: the same keys, the same subscriptions.
"""

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

SECRET_BYTES = 32
SCALAR_SEED_BYTES = 48
"""128 bits more than the curve's order has: the remainder is as good as uniform (FIPS 186-5, A.2.1)."""

_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def derive_bytes(secret: bytes, name: str, length: int) -> bytes:
    """Return so many bytes, the same ones for the same secret and name."""
    return HKDFExpand(SHA256(), length, name.encode()).derive(secret)


def derive_private_key(seed: bytes) -> ec.EllipticCurvePrivateKey:
    """Make a P-256 key of ``SCALAR_SEED_BYTES`` derived bytes."""
    return ec.derive_private_key(int.from_bytes(seed, "big") % (_ORDER - 1) + 1, ec.SECP256R1())
