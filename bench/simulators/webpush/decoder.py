"""What a browser does with a body: decrypts it, and refuses what is not exactly as the RFCs have it.

On `cryptography`, which brings an OpenSSL of its own, and without a line of the gateway's: two independent readings of
the same texts that must agree. RFC 8188 for the records, RFC 8291 for the key and for what a push may be.
"""

import hashlib
import hmac
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

_SALT_BYTES = 16
_FIXED_HEADER_BYTES = 21
_TAG_BYTES = 16
_LEAST_RECORD_SIZE = 18
_AUTH_BYTES = 16
_POINT_BYTES = 65


class DecryptionError(Exception):
    """A body that a receiver refuses; the message says why and shows none of it."""


class Content(NamedTuple):
    """The parts of an aes128gcm body (RFC 8188 section 2.1)."""

    salt: bytes
    record_size: int
    key_id: bytes
    records: bytes


def split_content(body: bytes) -> Content:
    """Take a body apart. Raises DecryptionError."""
    if len(body) < _FIXED_HEADER_BYTES:
        raise DecryptionError(f"{len(body)} bytes are no header")
    key_id_end = _FIXED_HEADER_BYTES + body[20]
    record_size = int.from_bytes(body[16:20], "big")
    if record_size < _LEAST_RECORD_SIZE:
        raise DecryptionError(f"a record size of {record_size} is below {_LEAST_RECORD_SIZE}")
    if len(body) <= key_id_end:
        raise DecryptionError("no record follows the header")
    return Content(body[:_SALT_BYTES], record_size, body[_FIXED_HEADER_BYTES:key_id_end], body[key_id_end:])


def _hkdf_block(salt: bytes, keying_material: bytes, info: bytes) -> bytes:
    """Extract, then expand to one block (RFC 5869)."""
    extracted = hmac.digest(salt, keying_material, hashlib.sha256)
    return hmac.digest(extracted, info + b"\x01", hashlib.sha256)


def _strip_padding(padded: bytes, *, is_last: bool) -> bytes:
    """Remove zeros and the delimiter: 2 in the last record, 1 in all others (RFC 8188 section 2)."""
    text = padded.rstrip(b"\0")
    if not text or text[-1] != (2 if is_last else 1):
        raise DecryptionError("a record ends without its delimiter")
    return text[:-1]


def decrypt_records(content: Content, keying_material: bytes) -> bytes:
    """Decrypt all records of a content (RFC 8188 section 2.2 and 2.3). Raises DecryptionError."""
    cipher = AESGCM(_hkdf_block(content.salt, keying_material, b"Content-Encoding: aes128gcm\0")[:16])
    nonce = int.from_bytes(_hkdf_block(content.salt, keying_material, b"Content-Encoding: nonce\0")[:12], "big")
    plaintext = []
    starts = range(0, len(content.records), content.record_size)
    for number, start in enumerate(starts):
        record = content.records[start : start + content.record_size]
        if len(record) <= _TAG_BYTES:
            raise DecryptionError(f"record {number} has no room for its delimiter")
        try:
            padded = cipher.decrypt((nonce ^ number).to_bytes(12, "big"), record, None)
        except InvalidTag:
            raise DecryptionError(f"record {number} does not belong to its tag, or the key is another") from None
        plaintext.append(_strip_padding(padded, is_last=number == len(starts) - 1))
    return b"".join(plaintext)


def _push_keying_material(private_key: ec.EllipticCurvePrivateKey, auth_secret: bytes, key_id: bytes) -> bytes:
    """Combine both secrets of a subscription with the sender's key (RFC 8291 section 3.4)."""
    if len(key_id) != _POINT_BYTES or key_id[0] != 4:
        raise DecryptionError("the key id is no uncompressed point")
    try:
        sender = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), key_id)
    except ValueError:
        raise DecryptionError("the sender's key is not on the curve") from None
    own_point = private_key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return _hkdf_block(auth_secret, private_key.exchange(ec.ECDH(), sender), b"WebPush: info\0" + own_point + key_id)


def decrypt_push(body: bytes, private_key: ec.EllipticCurvePrivateKey, auth_secret: bytes) -> bytes:
    """Return the plaintext of a push message, one record (RFC 8291 section 4). Raises DecryptionError."""
    if len(auth_secret) != _AUTH_BYTES:
        raise DecryptionError(f"an authentication secret of {len(auth_secret)} bytes, not {_AUTH_BYTES}")
    content = split_content(body)
    # The record size exceeds what stands in the record, also when that is the only one.
    if len(content.records) >= content.record_size:
        raise DecryptionError("more than one record, or one that fills its size")
    return decrypt_records(content, _push_keying_material(private_key, auth_secret, content.key_id))
