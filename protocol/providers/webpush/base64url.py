"""Base64url as browsers and their scripts write it (reference: section 7, encoding)."""

from binascii import Error, a2b_base64, b2a_base64

_TO_STANDARD = str.maketrans("-_", "+/")
_TO_URL = bytes.maketrans(b"+/", b"-_")


def decode(text: str) -> bytes:
    """Return the bytes of base64url text: the standard alphabet is taken too, and padding may be there or not.

    Raises ValueError for any other character, an impossible length, wrong padding, and bits left over that are not
    zero: two texts for one key would be two identities.
    """
    bare = text.rstrip("=")
    padding = "=" * (-len(bare) % 4)
    if text != bare and text != bare + padding:
        raise ValueError("wrong padding")
    standard = bare.translate(_TO_STANDARD) + padding
    try:
        data = a2b_base64(standard)
    except Error:
        raise ValueError("impossible length") from None
    # The decoder passes over what it doesn't know: what it read must be what was written.
    if b2a_base64(data, newline=False).decode() != standard:
        raise ValueError("not base64url")
    return data


def encode(data: bytes) -> str:
    """Return base64url text without padding."""
    return b2a_base64(data, newline=False).translate(_TO_URL, b"=\n").decode()
