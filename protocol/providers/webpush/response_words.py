"""What a push service says beside the status, as words (reference: section 5).

Mozilla has JSON with ``errno`` and ``message``, Apple JSON with ``reason``, FCM text or HTML, WNS only headers. The
words are candidates, the most telling first: whoever judges takes the first that it knows. Never raises.
"""

import re
from collections.abc import Callable, Sequence

import msgspec

from protocol.providers.webpush.services import Service
from protocol.refusals import DECODING_ERRORS

Headers = Sequence[tuple[bytes, bytes]]

# Looked for inside longer texts, which may quote anything: only these words ever leave here. autopush gives one errno
# to a bad token and to a token of another key, and tells them apart in its message.
MOZILLA_PHRASES = (
    "VAPID public key mismatch",
    "Missing VAPID token",
    "Invalid VAPID audience",
    "Invalid VAPID expiry",
    "VAPID token expiration is too long",
)
FCM_PHRASES = (
    "do not correspond to the credentials used to create the subscriptions",
    "does not correspond to the sender ID",
    "authorization header must be specified",
    "invalid JWT",
    "UnauthorizedRegistration",
    "NotRegistered",
)
WNS_STATUS_HEADERS = (b"x-wns-notificationstatus", b"x-wns-status")

_REASON_WORD = re.compile(r"[A-Za-z]{1,64}")
_TEXT_LIMIT_BYTES = 4096


class _Error(msgspec.Struct):
    """Any types: one strange member must not hide the others."""

    errno: object = None
    message: object = None
    reason: object = None


_decoder = msgspec.json.Decoder(_Error)


def read_words(service: Service, headers: Headers, body: bytes) -> tuple[str, ...]:
    """Return the words of an answer, fit for results and logs; none where it says nothing."""
    return _READERS[service](headers, body)


def _read_mozilla(headers: Headers, body: bytes) -> tuple[str, ...]:
    del headers
    error = _decode(body)
    words = _find_phrases(error.message, MOZILLA_PHRASES) if isinstance(error.message, str) else ()
    errno = error.errno
    if isinstance(errno, int) and not isinstance(errno, bool) and 0 <= errno < 10_000:
        words = (*words, str(errno))
    return words


def _read_fcm(headers: Headers, body: bytes) -> tuple[str, ...]:
    del headers
    return _find_phrases(body[:_TEXT_LIMIT_BYTES].decode("utf-8", "replace"), FCM_PHRASES)


def _read_apple(headers: Headers, body: bytes) -> tuple[str, ...]:
    del headers
    reason = _decode(body).reason
    return (reason,) if isinstance(reason, str) and _REASON_WORD.fullmatch(reason) else ()


def _read_wns(headers: Headers, body: bytes) -> tuple[str, ...]:
    del body
    by_name = {name.lower(): value.decode("latin-1").strip().lower() for name, value in headers}
    values = (by_name.get(name, "") for name in WNS_STATUS_HEADERS)
    return tuple(value for value in values if _REASON_WORD.fullmatch(value))


def _read_other(headers: Headers, body: bytes) -> tuple[str, ...]:
    del headers, body
    return ()


def _decode(body: bytes) -> _Error:
    try:
        return _decoder.decode(body)
    except DECODING_ERRORS:
        return _Error()


def _find_phrases(text: str, phrases: Sequence[str]) -> tuple[str, ...]:
    lowered = text.lower()
    return tuple(phrase for phrase in phrases if phrase.lower() in lowered)


_READERS: dict[Service, Callable[[Headers, bytes], tuple[str, ...]]] = {
    Service.MOZILLA: _read_mozilla,
    Service.FCM: _read_fcm,
    Service.APPLE: _read_apple,
    Service.WNS: _read_wns,
    Service.OTHER: _read_other,
}
