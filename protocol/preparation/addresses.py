"""Destinations as rows carry them, from what callers wrote under ``to``."""

from protocol.reasons import Reason
from protocol.rejections import RowError
from protocol.send.fields import ApnsTarget, Target

# Tokens are opaque and of no fixed length; the bound only keeps a path a path (reference: section 2, device token).
DEVICE_TOKEN_LIMIT_CHARACTERS = 400
CHANNEL_LIMIT_CHARACTERS = 256


def get_apns_target(target: Target) -> ApnsTarget:
    """Return the APNs address. Raises RowError where there is none, or another one beside it."""
    if target.apns is not None and target.fcm is None and target.webpush is None:
        return target.apns
    if target.apns is None and (target.fcm is None) != (target.webpush is None):
        other = "webpush" if target.fcm is None else "fcm"
        raise RowError(Reason.NOT_SUPPORTED, f"to.{other}", "this provider is not supported yet")
    raise RowError(Reason.INVALID_TOKEN, "to", "a notification goes to exactly one of apns, fcm and webpush")


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


def check_apns_address(target: ApnsTarget) -> None:
    """Raise RowError unless the target names exactly one of a device token and a channel."""
    if (target.token is None) == (target.channel is None):
        raise RowError(Reason.INVALID_TOKEN, "to.apns", "an APNs address has exactly one of token and channel")
