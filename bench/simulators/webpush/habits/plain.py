"""A service that has only read the RFCs: bare statuses of RFC 8030 and 8292, and a sentence for whoever looks."""

from bench.simulators.server import Answer
from bench.simulators.server.answers import Fields
from bench.simulators.webpush.faults import Fault
from bench.simulators.webpush.habits.base import RFC_STATUSES, Habits, phrase_of

_TEXT: Fields = ((b"content-type", b"text/plain; charset=utf-8"),)


class Plain(Habits):
    """The word of an answer is its text."""

    def refuse(self, fault: Fault) -> Answer:
        """Return the answer to a request that breaks a rule."""
        return _make_error(RFC_STATUSES.get(fault, 400), fault.value)

    def answer(self, status: int, word: str | None) -> Answer:
        """Return what the service would say with this status and word."""
        if status < 400:
            return Answer(status=status, reason=word)
        return _make_error(status, word or phrase_of(status))


def _make_error(status: int, text: str) -> Answer:
    return Answer(status=status, reason=text, headers=_TEXT, body=f"{text}\n".encode())
