"""Base64url as browsers and their scripts write it (docs/web-push.md#subscriptions)."""

from binascii import a2b_base64, b2a_base64

_TO_URL = bytes.maketrans(b"+/", b"-_")
_FROM_URL = bytes.maketrans(b"-_", b"+/")
# What may stand last where the last character has bits to spare (4 after 2 characters, 2 after 3): those left at zero.
_LAST_CHARACTERS = {0: None, 1: "", 2: "AQgw", 3: "AEIMQUYcgkosw048"}
_PADDING = (b"", b"", b"==", b"=")


def decode(text: str) -> bytes:
    """Return the bytes of base64url text: the standard alphabet is taken too, and padding may be there or not.

    Raises ValueError for any other character, an impossible length, wrong padding, and bits left over that are not
    zero: two texts for one key would be two identities.
    """
    bare = text.rstrip("=")
    spare = len(bare) & 3
    padding = _PADDING[spare]
    if len(text) - len(bare) not in {0, len(padding)}:
        raise ValueError("wrong padding")
    last = _LAST_CHARACTERS[spare]
    if last is not None and bare[-1] not in last:
        raise ValueError("an impossible length, or bits that nothing uses")
    try:
        return a2b_base64(bare.encode().translate(_FROM_URL) + padding, strict_mode=True)
    except ValueError:
        raise ValueError("a character that is not of base64url") from None


def encode(data: bytes) -> str:
    """Return base64url text without padding."""
    return b2a_base64(data, newline=False).translate(_TO_URL, b"=\n").decode()
