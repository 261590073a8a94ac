"""Microsoft's WNS: no body at all, everything in headers, success and failure alike (docs/web-push.md#services)."""

from bench.simulators.server import Answer, Request
from bench.simulators.server.answers import Fields
from bench.simulators.webpush.faults import Fault
from bench.simulators.webpush.habits.base import RFC_STATUSES, Habits, phrase_of

RECEIVED, DROPPED, CHANNEL_THROTTLED, APP_THROTTLED = "received", "dropped", "channelthrottled", "appthrottled"
_STATES = frozenset((RECEIVED, DROPPED, CHANNEL_THROTTLED, APP_THROTTLED))
_CONTENT_LENGTH: Fields = ((b"content-length", b"0"),)

_DESCRIPTIONS = {Fault.TTL_CACHE_CONFLICT: "Ttl value conflicts with X-WNS-Cache-Policy."}
_USUAL_STATES = {406: CHANNEL_THROTTLED, 429: CHANNEL_THROTTLED}


class Wns(Habits):
    """The word of an answer is its state, or for an error the description."""

    def refuse(self, fault: Fault) -> Answer:
        """Return the answer to a request that breaks a rule."""
        return _describe(RFC_STATUSES.get(fault, 400), _DESCRIPTIONS.get(fault, fault.value))

    def answer(self, status: int, word: str | None) -> Answer:
        """Return what the service would say with this status and word."""
        if word is None and 300 <= status < 400:
            return Answer(status=status)
        if word is not None and word not in _STATES:
            return _describe(status, word)
        state = word or (RECEIVED if status < 300 else _USUAL_STATES.get(status))
        return _state(status, state) if state is not None else _describe(status, phrase_of(status))

    def accept(self, *, ttl: int) -> Answer:
        """Return the answer to a message that was taken."""
        accepted = super().accept(ttl=ttl)
        return Answer(status=201, headers=accepted.headers + _state_headers(RECEIVED) + _CONTENT_LENGTH)

    def find_own_fault(self, request: Request, ttl: int) -> Fault | None:
        """Refuse what contradicts itself: with a TTL of 0 nothing is kept, and the policy has to say so."""
        keeps = request.headers.get(b"x-wns-cache-policy", b"cache") == b"cache"
        return Fault.TTL_CACHE_CONFLICT if keeps == (ttl == 0) else None

    def id_headers(self, message_id: str) -> Fields:
        """Return the fields on every answer."""
        hexadecimal = message_id.replace("-", "").upper().encode("ascii")
        return (
            (b"x-wns-msg-id", hexadecimal[:16]),
            (b"x-wns-debug-trace", b"SIM" + hexadecimal[16:24]),
            (b"ms-cv", hexadecimal[8:30] + b".0"),
        )


def _state_headers(state: str) -> Fields:
    value = state.encode("ascii")
    return ((b"x-wns-status", value), (b"x-wns-notificationstatus", value))


def _state(status: int, state: str) -> Answer:
    return Answer(status=status, reason=state, headers=_state_headers(state) + _CONTENT_LENGTH)


def _describe(status: int, description: str) -> Answer:
    headers = ((b"x-wns-error-description", description.encode("latin-1", "replace")), *_state_headers(DROPPED))
    return Answer(status=status, reason=description, headers=headers + _CONTENT_LENGTH)
