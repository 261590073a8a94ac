"""Apple: JSON with a reason, as APNs has it, and an apns-id on everything (docs/web-push.md#services)."""

import msgspec

from bench.simulators.server import Answer, Request
from bench.simulators.server.answers import Fields
from bench.simulators.webpush.faults import Fault
from bench.simulators.webpush.habits.base import Habits
from bench.simulators.webpush.vapid import Subject

_JSON: Fields = ((b"content-type", b"application/json"),)
_BAD_TOKEN = (403, "BadJwtToken")

_REFUSALS: dict[Fault, tuple[int, str]] = {
    Fault.METHOD: (405, "MethodNotAllowed"),
    Fault.UNKNOWN_PATH: (404, "BadPath"),
    Fault.REPEATED_HEADER: (400, "DuplicateHeaders"),
    Fault.TTL_MISSING: (400, "BadTtl"),
    Fault.TTL_FORM: (400, "BadTtl"),
    Fault.TTL_NEGATIVE: (400, "BadTtl"),
    Fault.URGENCY: (400, "BadUrgency"),
    Fault.TOPIC: (400, "BadWebPushTopic"),
    Fault.CONTENT_ENCODING: (400, "BadWebPushRequest"),
    Fault.OLD_ENCRYPTION_HEADER: (400, "BadWebPushRequest"),
    Fault.BODY_TOO_LARGE: (413, "PayloadTooLarge"),
    Fault.AUTHORIZATION_MISSING: _BAD_TOKEN,
    Fault.AUTHORIZATION_FORM: (400, "BadAuthorizationHeader"),
    Fault.VAPID_KEY_FORM: (400, "BadVapidPublicKey"),
    Fault.JWT_FORM: _BAD_TOKEN,
    Fault.JWT_SIGNATURE: _BAD_TOKEN,
    Fault.JWT_AUDIENCE: _BAD_TOKEN,
    Fault.JWT_EXPIRY_FORM: _BAD_TOKEN,
    Fault.JWT_EXPIRED: _BAD_TOKEN,
    Fault.JWT_LIFETIME: _BAD_TOKEN,
    Fault.JWT_SUBJECT: _BAD_TOKEN,
    Fault.KEY_MISMATCH: (400, "VapidPkHashMismatch"),
    Fault.KEY_REUSED: (400, "BadWebPushRequest"),
}
_USUAL_REASONS = {
    400: "BadWebPushRequest",
    403: "BadJwtToken",
    404: "BadPath",
    405: "MethodNotAllowed",
    410: "Unregistered",
    413: "PayloadTooLarge",
    429: "TooManyRequests",
    500: "InternalServerError",
    503: "ServiceUnavailable",
}


class Apple(Habits):
    """The word of an answer is its reason."""

    longest_ttl_seconds = 30 * 24 * 3600
    least_subject = Subject.REACHABLE

    def refuse(self, fault: Fault) -> Answer:
        """Return the answer to a request that breaks a rule."""
        return _make_error(*_REFUSALS[fault])

    def answer(self, status: int, word: str | None) -> Answer:
        """Return what the service would say with this status and word."""
        if status < 400:
            return Answer(status=status, reason=word)
        return _make_error(status, word or _USUAL_REASONS.get(status))

    def find_own_fault(self, request: Request, ttl: int) -> Fault | None:
        """Refuse a topic that can't be decoded: no base64url has a length of 1 modulo 4."""
        del ttl
        return Fault.TOPIC if len(request.headers.get(b"topic", b"")) % 4 == 1 else None

    def id_headers(self, message_id: str) -> Fields:
        """Return the fields on every answer."""
        return ((b"apns-id", message_id.upper().encode("ascii")),)


def _make_error(status: int, reason: str | None) -> Answer:
    if reason is None:
        return Answer(status=status)
    return Answer(status=status, reason=reason, headers=_JSON, body=msgspec.json.encode({"reason": reason}))
