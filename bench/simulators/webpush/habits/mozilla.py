"""Mozilla's autopush: JSON with an errno, 401 for everything about VAPID (docs/web-push.md#services)."""

import re

import msgspec

from bench.simulators.server import Answer, Request
from bench.simulators.server.answers import Fields
from bench.simulators.webpush.faults import Fault
from bench.simulators.webpush.habits.base import Habits, phrase_of
from bench.simulators.webpush.vapid import Subject

_MORE_INFO = "http://autopush.readthedocs.io/en/latest/http.html#error-codes"
_JSON: Fields = ((b"content-type", b"application/json"),)
# A subscription that is gone stays gone, and caches may know; an overloaded autopush always asks for two minutes.
_MORE_HEADERS: dict[int, Fields] = {
    410: ((b"cache-control", b"max-age=86400"),),
    503: ((b"retry-after", b"120"),),
}
# What the older content encoding keeps in headers (the drafts before RFC 8188 and RFC 8291).
_OLD_PARAMETER = re.compile(rb"(?:^|[;,])\s*(?:salt|dh)\s*=", re.IGNORECASE)

_REFUSALS: dict[Fault, tuple[int, int | None, str]] = {
    Fault.METHOD: (405, None, "Method not allowed"),
    Fault.UNKNOWN_PATH: (404, 102, "Invalid endpoint"),
    Fault.REPEATED_HEADER: (400, None, "Repeated header"),
    Fault.TTL_MISSING: (400, 111, "Missing TTL value"),
    Fault.TTL_FORM: (400, 111, "Invalid TTL value"),
    Fault.TTL_NEGATIVE: (400, 114, "TTL must be greater than 0"),
    Fault.URGENCY: (400, None, "Invalid Urgency value"),
    Fault.TOPIC: (400, 113, "Invalid Topic"),
    Fault.CONTENT_ENCODING: (400, 110, "Unknown content encoding"),
    Fault.OLD_ENCRYPTION_HEADER: (400, 110, "Encryption headers do not go with aes128gcm"),
    Fault.BODY_TOO_LARGE: (413, 104, "Data payload too large"),
    Fault.AUTHORIZATION_MISSING: (401, 109, "Missing VAPID public key"),
    Fault.AUTHORIZATION_FORM: (401, 109, "Unknown auth scheme"),
    Fault.VAPID_KEY_FORM: (401, 109, "Invalid VAPID public key: it cannot be decoded"),
    Fault.JWT_FORM: (401, 109, "InvalidToken"),
    Fault.JWT_SIGNATURE: (401, 109, "InvalidSignature"),
    Fault.JWT_AUDIENCE: (401, 109, "Invalid VAPID audience"),
    Fault.JWT_EXPIRY_FORM: (401, 109, "Invalid VAPID token: a claim is missing or no value of its kind"),
    Fault.JWT_EXPIRED: (401, 109, "ExpiredSignature"),
    Fault.JWT_LIFETIME: (401, 109, "The VAPID token expiration is too long"),
    Fault.JWT_SUBJECT: (401, 109, "Improperly formatted sub string"),
    Fault.KEY_MISMATCH: (401, 109, "VAPID public key mismatch"),
    Fault.KEY_REUSED: (400, 110, "The VAPID key must not be used to encrypt"),
}
_MESSAGES = {
    101: "Missing crypto keys",
    102: "Invalid endpoint",
    103: "Endpoint is gone",
    104: "Data payload too large",
    105: "User was deleted",
    106: "No such subscription",
    108: "Router type is invalid",
    109: "InvalidToken",
    110: "Invalid crypto keys",
    111: "Missing required header",
    112: "Invalid TTL value",
    113: "Invalid Topic",
    114: "TTL must be greater than 0",
    201: "Use exponential back-off for retries",
    202: "Immediate retry is allowed",
    900: "The bridge is not available",
    901: "The bridge refused the credentials",
    902: "Could not connect to the bridge",
    903: "The bridge did not answer in time",
    999: "Unknown error",
}
_USUAL_ERRNO = {400: 110, 401: 109, 404: 102, 410: 103, 413: 104, 500: 999, 502: 902, 503: 201}


class Mozilla(Habits):
    """The word of an answer is its errno in digits, or a message: all of them have 109 with a 401, the others null."""

    longest_ttl_seconds = 30 * 24 * 3600
    least_subject = Subject.PRESENT

    def find_own_fault(self, request: Request, ttl: int) -> Fault | None:
        """Refuse salt and key of the older content encoding beside the new one."""
        del ttl
        old = (request.headers.get(name, b"") for name in (b"encryption", b"crypto-key"))
        return Fault.OLD_ENCRYPTION_HEADER if any(map(_OLD_PARAMETER.search, old)) else None

    def refuse(self, fault: Fault) -> Answer:
        """Return the answer to a request that breaks a rule."""
        status, errno, message = _REFUSALS[fault]
        return _make_error(status, errno, message)

    def answer(self, status: int, word: str | None) -> Answer:
        """Return what the service would say with this status and word."""
        if status < 400:
            return Answer(status=status, reason=word)
        if word is not None and not word.isdecimal():
            return _make_error(status, 109 if status == 401 else None, word, word)
        errno = int(word) if word is not None else _USUAL_ERRNO.get(status)
        return _make_error(status, errno, _MESSAGES.get(errno or 0, phrase_of(status)))


def _make_error(status: int, errno: int | None, message: str, word: str | None = None) -> Answer:
    error = {
        "code": status,
        "errno": errno,
        "error": phrase_of(status),
        "message": message,
        "more_info": _MORE_INFO,
    }
    word = word or (message if errno is None else str(errno))
    return Answer(
        status=status,
        reason=word,
        headers=_JSON + _MORE_HEADERS.get(status, ()),
        body=msgspec.json.encode(error),
    )
