"""What the body of an FCM error says, whatever of it is there (docs/fcm.md#answers).

``error.details`` come in any order, and any of them may be absent; the whole body may be HTML, empty or cut short.
``message`` is for people: nothing of it is read but the few words that tell what no detail does.
"""

import re
from typing import Any

import msgspec

from protocol.refusals import DECODING_ERRORS

_WORD = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
_DURATION = re.compile(r"(\d{1,10})(?:\.(\d{1,9}))?s")
_APNS_REASON = re.compile(r"[A-Za-z][A-Za-z ]{0,63}")
_decoder = msgspec.json.Decoder()
# INVALID_ARGUMENT without details is all that FCM says both of a malformed token and of a message that is too large
# (docs/fcm.md#answers). The more telling ones come first.
MALFORMED_WORDS = "not a valid FCM registration token"
TOO_LARGE_WORDS = ("Android message is too big", "too big")
_MESSAGE_WORDS = (MALFORMED_WORDS, *TOO_LARGE_WORDS)
_MESSAGE_LIMIT = 1024

# Fields of a request that name its target: a violation of these is about the destination, not about the payload.
TARGET_FIELDS = frozenset({"message.token", "message.fid", "message.topic", "message.condition"})


class ApnsError(msgspec.Struct, frozen=True):
    """The answer that FCM itself got from APNs."""

    status: int
    reason: str


class ErrorDetails(msgspec.Struct, frozen=True, kw_only=True):
    """An error in parts; None or empty where FCM did not say.

    ``code`` is that of ``FcmError``, ``status`` the canonical one, ``words`` what is known of the text. ``violations``
    are the places that ``BadRequest`` names, ``quota_subjects`` the subjects whose quota failed ("" where one has no
    name). ``retry_delay_seconds`` is from ``RetryInfo``.
    """

    code: str | None = None
    status: str | None = None
    words: str | None = None
    apns: ApnsError | None = None
    violations: tuple[str, ...] = ()
    quota_subjects: tuple[str, ...] = ()
    retry_delay_seconds: float | None = None


def read_error(body: bytes) -> ErrorDetails:
    """Return what an answer's body says. Never raises."""
    try:
        answer = _decoder.decode(body)
    except DECODING_ERRORS:
        return ErrorDetails()
    error = _get(answer, "error")
    details = _details_by_type(_get(error, "details"))
    return ErrorDetails(
        code=_first(_read_word(_get(detail, "errorCode")) for detail in _of(details, "FcmError")),
        status=_read_word(_get(error, "status")),
        words=_find_words(_get(error, "message")),
        apns=_first(_read_apns(detail) for detail in _of(details, "ApnsError")),
        violations=tuple(_texts(details.get("google.rpc.BadRequest", []), "fieldViolations", "field")),
        quota_subjects=tuple(_texts(details.get("google.rpc.QuotaFailure", []), "violations", "subject")),
        retry_delay_seconds=_first(
            _read_delay(_get(detail, "retryDelay")) for detail in details.get("google.rpc.RetryInfo", [])
        ),
    )


def _get(value: object, key: str) -> Any:  # noqa: ANN401 - any JSON value
    return value.get(key) if isinstance(value, dict) else None


def _details_by_type(details: object) -> dict[str, list[Any]]:
    by_type: dict[str, list[Any]] = {}
    for detail in details if isinstance(details, list) else ():
        kind = _get(detail, "@type")
        if isinstance(kind, str):
            by_type.setdefault(kind.rpartition("/")[2], []).append(detail)
    return by_type


def _of(details: dict[str, list[Any]], name: str) -> list[Any]:
    return details.get(f"google.firebase.fcm.v1.{name}", [])


def _first(values: Any) -> Any:  # noqa: ANN401 - of whatever type they are
    return next((value for value in values if value is not None), None)


def _texts(details: list[Any], rows: str, key: str) -> list[str]:
    """Return one text of every row of these details, "" where it has none."""
    found = []
    for detail in details:
        listed = _get(detail, rows)
        for row in listed if isinstance(listed, list) else ():
            text = _get(row, key)
            found.append(text if isinstance(text, str) else "")
    return found


def _read_word(value: object) -> str | None:
    """Return a code when it is a word that may stand in results and logs."""
    return value if isinstance(value, str) and _WORD.fullmatch(value) else None


def _find_words(message: object) -> str | None:
    """Return which known words stand in the text, none of its own."""
    text = message[:_MESSAGE_LIMIT].lower() if isinstance(message, str) else ""
    return next((words for words in _MESSAGE_WORDS if words.lower() in text), None)


def _read_apns(detail: object) -> ApnsError | None:
    status, reason = _get(detail, "statusCode"), _get(detail, "reason")
    if isinstance(status, bool) or not isinstance(status, int) or not isinstance(reason, str):
        return None
    return ApnsError(status, reason) if _APNS_REASON.fullmatch(reason) else None


def _read_delay(value: object) -> float | None:
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    return float(f"{found[1]}.{found[2] or 0}") if found else None
