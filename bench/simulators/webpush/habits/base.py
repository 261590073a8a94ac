"""What all services have in common: the occasions on which one gives its answer a form of its own."""

from abc import ABC, abstractmethod
from http import HTTPStatus

from bench.simulators.server import Answer, Request
from bench.simulators.server.answers import Fields
from bench.simulators.webpush.faults import Fault
from bench.simulators.webpush.vapid import Subject

RFC_STATUSES = {
    Fault.METHOD: 405,
    Fault.UNKNOWN_PATH: 404,
    Fault.BODY_TOO_LARGE: 413,
    Fault.AUTHORIZATION_MISSING: 401,
    Fault.AUTHORIZATION_FORM: 401,
    Fault.VAPID_KEY_FORM: 403,
    Fault.JWT_FORM: 403,
    Fault.JWT_SIGNATURE: 403,
    Fault.JWT_AUDIENCE: 403,
    Fault.JWT_EXPIRY_FORM: 403,
    Fault.JWT_EXPIRED: 403,
    Fault.JWT_LIFETIME: 403,
    Fault.JWT_SUBJECT: 403,
    Fault.KEY_MISMATCH: 403,
}
"""RFC 8292 section 4.2: 401 asks for credentials, 403 refuses those that came. Every other fault is 400."""


class Habits(ABC):
    """How one service talks. The reason of an answer is the service's own word, wherever on the wire it stands."""

    longest_ttl_seconds: int | None = None
    """More is cut down to this, which the answer says (RFC 8030 section 5.2); None: nothing is cut."""
    message_path = "/m/"
    """What the paths of messages begin with: where DELETE would cancel one (RFC 8030 section 5)."""

    least_subject = Subject.ABSENT
    """What the ``sub`` of a token must be at least (RFC 8292 section 2.1 leaves it to the sender)."""

    @abstractmethod
    def refuse(self, fault: Fault) -> Answer:
        """Return the answer to a request that breaks a rule."""

    @abstractmethod
    def answer(self, status: int, word: str | None) -> Answer:
        """Return what the service would say with this status and this word of its own; None: the usual one."""

    def accept(self, *, ttl: int) -> Answer:
        """Return the answer to a message that was taken for so many seconds."""
        return Answer(status=201, headers=((b"ttl", b"%d" % self.cut_ttl(ttl)),))

    def cut_ttl(self, ttl: int) -> int:
        """Return how long a message with this TTL is kept."""
        return ttl if self.longest_ttl_seconds is None else min(ttl, self.longest_ttl_seconds)

    def find_own_fault(self, request: Request, ttl: int) -> Fault | None:
        """Return what only this service objects to, or None."""
        del request, ttl
        return None

    def id_headers(self, message_id: str) -> Fields:
        """Return the fields by which the service's support would find an answer of it again; the id is a UUID."""
        del message_id
        return ()


def phrase_of(status: int) -> str:
    """Return the reason phrase of a status, "" for an unregistered one (RFC 9110 section 15)."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
