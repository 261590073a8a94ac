"""What encrypting a Web Push message may take, and why a row of a batch is refused (RFC 8291, RFC 8188)."""

from enum import IntEnum

MOST_BODY_BYTES = 4096
"""A push service need not accept more (RFC 8030 section 7.2)."""

OVERHEAD_BYTES = 103
"""Header with salt and key (86), delimiter (1) and tag (16) of the one record (RFC 8291 section 4)."""

MOST_PLAINTEXT_BYTES = MOST_BODY_BYTES - OVERHEAD_BYTES
"""Plaintext and padding together."""

LEAST_RECORD_SIZE = 18
"""Tag, delimiter and one octet (RFC 8188 section 2)."""

DEFAULT_RECORD_SIZE = 4096


class EncryptionRefusal(IntEnum):
    """What is wrong with a row; the other rows of its batch don't suffer from it."""

    KEY_LENGTH = 1  # the receiver's key (p256dh) is not 65 bytes; the point at infinity, one byte, is among these
    KEY_FORM = 2  # it does not begin with 0x04: not an uncompressed point
    KEY_NOT_ON_CURVE = 3  # a coordinate is not below p, or the point is not on P-256
    AUTH_LENGTH = 4  # the authentication secret (auth) is not 16 bytes
    TOO_LONG = 5  # plaintext and padding don't fit one record or one body
