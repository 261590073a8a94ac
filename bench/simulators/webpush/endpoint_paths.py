"""The paths of endpoints, in the manner of each service: capability URLs that look like nothing to the sender.

A path holds the number of its subscription and bytes derived from the run's secret. Whoever finds a number in a path
makes the path of that number anew and compares: one that was made up or cut on its way is unknown, just as with the
services themselves. Paths are compared without their percent-encoding, which clients write in different ways (RFC 3986
section 6.2.2). Written as seen in the field; only the lengths of what is opaque matter.
"""

import re
from base64 import b64decode, b64encode, urlsafe_b64decode
from collections.abc import Callable, Mapping
from typing import Literal
from urllib.parse import quote, unquote

import msgspec

from bench.simulators.webpush import base64url
from bench.simulators.webpush.derivation import derive_bytes

ServiceName = Literal["mozilla", "fcm", "apple", "wns", "other"]

NUMBER_BYTES = 8
HIGHEST_NUMBER = 2 ** (8 * NUMBER_BYTES) - 1

_LOWER_ESCAPES = re.compile(r"%[0-9A-F]{2}")
_WNS_PREFIX = bytes.fromhex("05060000")


class _Style(msgspec.Struct, frozen=True):
    """How one service writes number and opaque bytes, and where the number is found again."""

    opaque_bytes: int
    write: Callable[[bytes, bytes], str]
    pattern: re.Pattern[str]
    read: Callable[[str], bytes]


def make_path(secret: bytes, service: ServiceName, number: int) -> str:
    """Return path and query of a subscription's endpoint. ValueError for a number that is none."""
    if not 0 <= number <= HIGHEST_NUMBER:
        raise ValueError(f"subscriptions are numbered from 0 to {HIGHEST_NUMBER}; got {number}")
    style = _STYLES[service]
    opaque = derive_bytes(secret, f"path {service} {number}", style.opaque_bytes)
    return style.write(number.to_bytes(NUMBER_BYTES, "big"), opaque)


def find_number(secret: bytes, service: ServiceName, path: str) -> int | None:
    """Return the number of the subscription that has this path, however it is percent-encoded; None: there is none."""
    style = _STYLES[service]
    plain = unquote(path, encoding="latin-1")
    found = style.pattern.fullmatch(plain)
    if found is None:
        return None
    number = int.from_bytes(style.read(found[1]), "big")
    return number if unquote(make_path(secret, service, number)) == plain else None


def _decode(text: str) -> bytes:
    """Decode what may be any text of the right alphabet: made anew, a strange one will differ."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


# --- Mozilla: /wpush/v2/ and a Fernet token, of which the version and the time are in the clear ---


def _write_mozilla(number: bytes, opaque: bytes) -> str:
    return "/wpush/v2/" + base64url.encode(b"\x80" + number + opaque)


def _read_mozilla(text: str) -> bytes:
    return _decode(text)[1 : 1 + NUMBER_BYTES]


# --- FCM: /wp/ and an instance id, a colon, and the longer part ---


def _write_fcm(number: bytes, opaque: bytes) -> str:
    return f"/wp/{base64url.encode(number)}:APA91b{base64url.encode(opaque)}"


# --- Apple: nothing but opaque text, here in two parts ---


def _write_apple(number: bytes, opaque: bytes) -> str:
    return f"/Q{base64url.encode(number)}/{base64url.encode(opaque)}"


# --- Microsoft: a query with base64 of the other alphabet, percent-encoded in lower case ---


def _write_wns(number: bytes, opaque: bytes) -> str:
    encoded = quote(b64encode(_WNS_PREFIX + number + opaque), safe="")
    return "/w/?token=" + _LOWER_ESCAPES.sub(lambda escape: escape[0].lower(), encoded)


def _read_wns(text: str) -> bytes:
    return b64decode(text)[len(_WNS_PREFIX) : len(_WNS_PREFIX) + NUMBER_BYTES]


# --- any other service: as RFC 8030 writes it in its examples ---


def _write_other(number: bytes, opaque: bytes) -> str:
    return f"/push/{base64url.encode(number + opaque)}"


def _read_other(text: str) -> bytes:
    return _decode(text)[:NUMBER_BYTES]


# Patterns give the length of what is decoded, so that decoding can't fail.
_STYLES: Mapping[ServiceName, _Style] = {
    "mozilla": _Style(128, _write_mozilla, re.compile(r"/wpush/v2/([\w-]{183})", re.ASCII), _read_mozilla),
    "fcm": _Style(100, _write_fcm, re.compile(r"/wp/([\w-]{11}):APA91b[\w-]{134}", re.ASCII), _decode),
    "apple": _Style(80, _write_apple, re.compile(r"/Q([\w-]{11})/[\w-]{107}", re.ASCII), _decode),
    "wns": _Style(114, _write_wns, re.compile(r"/w/\?token=([A-Za-z0-9+/]{168})", re.ASCII), _read_wns),
    "other": _Style(24, _write_other, re.compile(r"/push/([\w-]{43})", re.ASCII), _read_other),
}
