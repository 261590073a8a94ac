"""FCM's Web Push: one line of text, or a page of HTML with the word as its title (docs/web-push.md#services)."""

from bench.simulators.server import Answer
from bench.simulators.server.answers import Fields
from bench.simulators.webpush.faults import Fault
from bench.simulators.webpush.habits.base import Habits, phrase_of

_TEXT: Fields = ((b"content-type", b"text/plain; charset=utf-8"),)
_HTML: Fields = ((b"content-type", b"text/html; charset=UTF-8"),)
_TEXT_STATUSES = frozenset((401, 403, 404, 429))

_INVALID_TOKEN = (403, "invalid JWT provided")
_MISMATCH = (
    "the VAPID credentials in the authorization header do not correspond to the credentials used to create the"
    " subscriptions."
)
_REFUSALS: dict[Fault, tuple[int, str]] = {
    Fault.METHOD: (405, "Method Not Allowed"),
    Fault.UNKNOWN_PATH: (404, "A valid push subscription endpoint should be specified in the URL"),
    Fault.REPEATED_HEADER: (400, "InvalidParameters"),
    Fault.TTL_MISSING: (400, "InvalidTtlParameter"),
    Fault.TTL_FORM: (400, "InvalidTtlParameter"),
    Fault.TTL_NEGATIVE: (400, "InvalidTtlParameter"),
    Fault.URGENCY: (400, "InvalidUrgencyParameter"),
    Fault.TOPIC: (400, "InvalidTopicParameter"),
    Fault.CONTENT_ENCODING: (400, "InvalidContentEncoding"),
    Fault.OLD_ENCRYPTION_HEADER: (400, "InvalidEncryptionHeader"),
    Fault.BODY_TOO_LARGE: (413, "MessageTooBig"),
    Fault.AUTHORIZATION_MISSING: (401, "authorization header must be specified."),
    Fault.AUTHORIZATION_FORM: (401, "authorization header had invalid format."),
    Fault.VAPID_KEY_FORM: (403, "invalid JWT provided: k is no public key"),
    Fault.JWT_FORM: _INVALID_TOKEN,
    Fault.JWT_SIGNATURE: _INVALID_TOKEN,
    Fault.JWT_AUDIENCE: (403, "invalid JWT provided: aud is another origin"),
    Fault.JWT_EXPIRY_FORM: _INVALID_TOKEN,
    Fault.JWT_EXPIRED: (403, "invalid JWT provided: it has expired"),
    Fault.JWT_LIFETIME: (403, "invalid JWT provided: exp is too far ahead"),
    Fault.JWT_SUBJECT: (403, "invalid JWT provided: sub"),
    Fault.KEY_MISMATCH: (403, _MISMATCH),
    Fault.KEY_REUSED: (400, "InvalidEncryptionKey"),
}
_USUAL_WORDS = {
    400: "UnauthorizedRegistration",
    401: "authorization header must be specified.",
    403: _MISMATCH,
    404: "NotRegistered",
    410: "NotRegistered",
    413: "MessageTooBig",
}


class Fcm(Habits):
    """The word of an answer is its text, or the title of its page."""

    longest_ttl_seconds = 28 * 24 * 3600

    def refuse(self, fault: Fault) -> Answer:
        """Return the answer to a request that breaks a rule."""
        return _make_error(*_REFUSALS[fault])

    def answer(self, status: int, word: str | None) -> Answer:
        """Return what the service would say with this status and word."""
        if status < 400:
            return Answer(status=status, reason=word)
        return _make_error(status, word or _USUAL_WORDS.get(status) or phrase_of(status))


def _make_error(status: int, word: str) -> Answer:
    if status in _TEXT_STATUSES:
        return Answer(status=status, reason=word, headers=_TEXT, body=f"{word}\n".encode())
    page = (
        f"<HTML>\n<HEAD>\n<TITLE>{word}</TITLE>\n</HEAD>\n"
        f'<BODY BGCOLOR="#FFFFFF" TEXT="#000000">\n<H1>{word}</H1>\n<H2>Error {status}</H2>\n</BODY>\n</HTML>\n'
    )
    return Answer(status=status, reason=word, headers=_HTML, body=page.encode())
