"""APNs' two ways to address, and the forms each must have (docs/apns.md#addresses).

A stored destination is a device token's bytes, or a broadcast channel's id as it goes into a header.
"""

from protocol.reasons import Reason
from protocol.rejections import RowError
from protocol.send.fields import ApnsTarget

# Tokens are opaque and of no fixed length; the bound only keeps a path a path (docs/apns.md#addresses).
DEVICE_TOKEN_LIMIT_CHARACTERS = 400
CHANNEL_LIMIT_CHARACTERS = 256


def read_address(target: ApnsTarget) -> tuple[bool, bytes]:
    """Return whether an APNs target is a broadcast channel, and its stored destination. Raises RowError."""
    if target.token is not None and target.channel is None:
        return False, read_device_token(target.token)
    if target.channel is not None and target.token is None:
        return True, read_channel(target.channel)
    raise RowError(Reason.INVALID_TOKEN, "to.apns", "an APNs address has exactly one of token and channel")


def read_device_token(token: str) -> bytes:
    """Return a device token's bytes. Raises RowError."""
    try:
        destination = bytes.fromhex(token)
    except ValueError:
        destination = b""
    # fromhex passes over blanks, so the length is compared too.
    if not destination or len(destination) * 2 != len(token) or len(token) > DEVICE_TOKEN_LIMIT_CHARACTERS:
        raise RowError(
            Reason.INVALID_TOKEN,
            "to.apns.token",
            f"a device token is an even number of hex digits, at most {DEVICE_TOKEN_LIMIT_CHARACTERS}",
        )
    return destination


def read_channel(channel: str) -> bytes:
    """Return a broadcast channel's id as it goes into a header. Raises RowError."""
    if len(channel) > CHANNEL_LIMIT_CHARACTERS or not channel.isascii() or not channel.isprintable() or " " in channel:
        raise RowError(
            Reason.INVALID_TOKEN,
            "to.apns.channel",
            f"a channel id is base64 as APNs gave it, at most {CHANNEL_LIMIT_CHARACTERS} characters",
        )
    return channel.encode()
