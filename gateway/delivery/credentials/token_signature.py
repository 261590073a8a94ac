"""ES256 as RFC 6979 derives it: the same key and the same claims give the same token, byte for byte, everywhere."""

import jwt
import orjson
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from jwt.algorithms import ECAlgorithm
from jwt.utils import der_to_raw_signature


def sign_es256(key: ec.EllipticCurvePrivateKey, message: bytes) -> bytes:
    """Return the raw 64 bytes r and s, as RFC 7518 section 3.4 wants them."""
    return der_to_raw_signature(key.sign(message, ec.ECDSA(SHA256(), deterministic_signing=True)), key.curve)


class _DeterministicEcdsa(ECAlgorithm):
    """PyJWT's own algorithm, but for where the nonce comes from (RFC 6979 section 3.2)."""

    def sign(self, msg: bytes, key: ec.EllipticCurvePrivateKey) -> bytes:
        """See :func:`sign_es256`."""
        return sign_es256(key, msg)


_signer = jwt.PyJWS(algorithms=[])
_signer.register_algorithm("ES256", _DeterministicEcdsa(ECAlgorithm.SHA256))


def sign_token(key_id: str, key: ec.EllipticCurvePrivateKey, claims: dict[str, str | int]) -> bytes:
    """Return a signed token as Apple wants it: ``alg`` and ``kid`` in its header, no ``typ``."""
    return _signer.encode(orjson.dumps(claims), key, "ES256", headers={"kid": key_id, "typ": None}).encode("ascii")
