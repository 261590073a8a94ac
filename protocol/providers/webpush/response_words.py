"""What a push service says beside the status, as words (docs/web-push.md#services).

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
# to whatever is wrong with a token, and tells it apart in its message: in words of its own (autopush-rs,
# autoendpoint/src/headers/vapid.rs) or in those of its token library, the names of what failed (jsonwebtoken,
# src/errors.rs).
MOZILLA_KEY_MISMATCH = "VAPID public key mismatch"
# What a token signed now may cure. Signatures come out right or wrong by chance where two libraries disagree about some
# of their numbers (docs/web-push.md#vapid-tokens).
MOZILLA_OLD_TOKEN = (
    "ExpiredSignature",
    "ImmatureSignature",
    "InvalidSignature",
    "Invalid VAPID expiry",
    "VAPID token expiration is too long",
)
# What the next token would have as well.
MOZILLA_BAD_TOKEN = (
    "Missing VAPID token",
    "Missing VAPID public key",
    "Invalid VAPID token",
    "Invalid VAPID public key",
    "Invalid VAPID audience",
    "Unknown auth scheme",
    "Unparsable sub string",
    "Improperly formatted sub string",
    "Empty sub string",
    "Missing sub",
    "InvalidToken",
    "InvalidAlgorithm",
    "InvalidAlgorithmName",
    "InvalidAudience",
    "InvalidIssuer",
    "InvalidSubject",
    "InvalidEcdsaKey",
    "InvalidKeyFormat",
    "MissingAlgorithm",
    "Missing required claim",
    "Invalid format for claim",
    "Base64 error",
    "JSON error",
    "UTF-8 error",
    "Crypto error",
)
MOZILLA_PHRASES = (MOZILLA_KEY_MISMATCH, *MOZILLA_OLD_TOKEN, *MOZILLA_BAD_TOKEN)
FCM_PHRASES = (
    "invalid push subscription endpoint",
    "exp claim MUST NOT be more than 24 hours",
    "aud claim in the token MUST include the origin",
    "do not correspond to the credentials used to create the subscriptions",
    "does not correspond to the sender ID",
    "authorization header must be specified",
    "invalid JWT",
    "UnauthorizedRegistration",
    "NotRegistered",
)
WNS_STATUS_HEADERS = (b"x-wns-notificationstatus", b"x-wns-status")


def _compile(phrases: Sequence[str]) -> re.Pattern[str]:
    """Return what finds whole phrases, in any case: one may be the beginning of another."""
    return re.compile(rf"(?<![a-z])(?:{'|'.join(map(re.escape, phrases))})(?![a-z])", re.IGNORECASE)


_MOZILLA_PATTERN, _FCM_PATTERN = _compile(MOZILLA_PHRASES), _compile(FCM_PHRASES)
_REASON_WORD = re.compile(r"[A-Za-z]{1,64}")
_TEXT_LIMIT = 4096


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
    message = error.message
    words = _find_phrases(message, MOZILLA_PHRASES, _MOZILLA_PATTERN) if isinstance(message, str) else ()
    errno = error.errno
    if isinstance(errno, int) and not isinstance(errno, bool) and 0 <= errno < 10_000:
        words = (*words, str(errno))
    return words


def _read_fcm(headers: Headers, body: bytes) -> tuple[str, ...]:
    del headers
    return _find_phrases(body[:_TEXT_LIMIT].decode("utf-8", "replace"), FCM_PHRASES, _FCM_PATTERN)


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


def _find_phrases(text: str, phrases: Sequence[str], pattern: re.Pattern[str]) -> tuple[str, ...]:
    found = {words.lower() for words in pattern.findall(text[:_TEXT_LIMIT])}
    return tuple(phrase for phrase in phrases if phrase.lower() in found)


_READERS: dict[Service, Callable[[Headers, bytes], tuple[str, ...]]] = {
    Service.MOZILLA: _read_mozilla,
    Service.FCM: _read_fcm,
    Service.APPLE: _read_apple,
    Service.WNS: _read_wns,
    Service.OTHER: _read_other,
}
