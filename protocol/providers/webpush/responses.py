"""What every answer of a push service means in our words (docs/web-push.md#answers).

A row is (service, status, word): word "" is the status alone, service None is RFC 8030 for them all. The most telling
row wins. Only 404 and 410 make a subscription dead. 401 and 403 never do, and hold the lane only where the service
blames our token in words: the same statuses answer a subscription made with another key, which anyone can register,
and one such row must not stop the others. Where the service is not that clear the row is rejected alone.
"""

from collections.abc import Sequence
from functools import partial

import msgspec

from protocol.outcomes import Advice, AttemptOutcome, Remedy, Verdict
from protocol.providers.verdicts import ACCEPTED, SUCCESS_CLASS, Fallbacks, defer, read_wish, reject, repeat
from protocol.providers.webpush.response_words import (
    MOZILLA_BAD_TOKEN,
    MOZILLA_KEY_MISMATCH,
    MOZILLA_OLD_TOKEN,
    Headers,
    read_words,
)
from protocol.providers.webpush.services import Service
from protocol.reasons import Reason

# No service states its ceiling; a quarter of an hour is Apple's for its other door.
CEILING_SECONDS = 900.0
SERVER_DELAY_SECONDS = 1.0
BRIDGE_DELAY_SECONDS = 10.0
# The least wait after too many requests where the service names none.
THROTTLED_DELAY_SECONDS = 60.0

_Key = tuple[Service | None, int, str]

_retry = partial(defer, ceiling_seconds=CEILING_SECONDS)

_DEAD = reject(Reason.DEAD_TOKEN, Advice.DELETE_PENDING)
_BAD_SUBSCRIPTION = reject(Reason.INVALID_TOKEN, Advice.FIX_TARGET)
_MOVED = reject(Reason.PROVIDER_ERROR, Advice.FIX_TARGET)
_KEY_MISMATCH = reject(Reason.SUBSCRIPTION_KEY_MISMATCH, Advice.FIX_TARGET)
_TOKEN_OR_KEY = reject(Reason.BAD_CREDENTIALS, Advice.FIX_CREDENTIALS)
_BAD_OPTION = reject(Reason.INVALID_OPTION, Advice.FIX_PAYLOAD)
_TOO_LARGE = reject(Reason.PAYLOAD_TOO_LARGE, Advice.FIX_PAYLOAD)
_OUR_FAULT = reject(Reason.PROVIDER_ERROR)
# Our own credential: one repeat where a new token may cure it, else the lane is held.
_FRESH_TOKEN = _retry(Reason.BAD_CREDENTIALS, THROTTLED_DELAY_SECONDS, remedy=Remedy.FRESH_TOKEN)
_HOLD = _retry(Reason.BAD_CREDENTIALS, THROTTLED_DELAY_SECONDS, remedy=Remedy.HOLD_LANE)
_SERVER_ERROR = _retry(Reason.PROVIDER_ERROR, SERVER_DELAY_SECONDS)
_BRIDGE_ERROR = _retry(Reason.PROVIDER_ERROR, BRIDGE_DELAY_SECONDS)
_SERVER_LEAVES = _retry(Reason.PROVIDER_ERROR, SERVER_DELAY_SECONDS, remedy=Remedy.FRESH_SESSION)
_NOT_TAKEN = _retry(Reason.PROVIDER_ERROR, THROTTLED_DELAY_SECONDS)
_THROTTLED = msgspec.structs.replace(
    _retry(Reason.RATE_LIMITED, THROTTLED_DELAY_SECONDS), retry_after_seconds=THROTTLED_DELAY_SECONDS
)

_RFC_8030: dict[_Key, Verdict] = {
    (None, 200, ""): ACCEPTED,
    (None, 201, ""): ACCEPTED,
    (None, 202, ""): ACCEPTED,
    (None, 204, ""): ACCEPTED,
    (None, 301, ""): _MOVED,
    (None, 308, ""): _MOVED,
    (None, 400, ""): _OUR_FAULT,
    (None, 401, ""): _TOKEN_OR_KEY,
    (None, 403, ""): _TOKEN_OR_KEY,
    (None, 404, ""): _DEAD,
    (None, 405, ""): _OUR_FAULT,
    (None, 410, ""): _DEAD,
    (None, 413, ""): _TOO_LARGE,
    (None, 429, ""): _THROTTLED,
    (None, 500, ""): _SERVER_ERROR,
    (None, 502, ""): _SERVER_ERROR,
    (None, 503, ""): _SERVER_ERROR,
    (None, 504, ""): _SERVER_ERROR,
    **{(None, status, ""): verdict for status, verdict in repeat(_SERVER_ERROR).items()},
}
_MOZILLA: dict[_Key, Verdict] = {
    (Service.MOZILLA, 400, "101"): _OUR_FAULT,
    (Service.MOZILLA, 400, "108"): _BAD_SUBSCRIPTION,
    (Service.MOZILLA, 400, "110"): _OUR_FAULT,
    (Service.MOZILLA, 400, "111"): _OUR_FAULT,
    (Service.MOZILLA, 400, "112"): _BAD_OPTION,
    (Service.MOZILLA, 400, "113"): _BAD_OPTION,
    (Service.MOZILLA, 400, "114"): _BAD_OPTION,
    (Service.MOZILLA, 401, "109"): _TOKEN_OR_KEY,
    (Service.MOZILLA, 401, MOZILLA_KEY_MISMATCH): _KEY_MISMATCH,
    **{(Service.MOZILLA, 401, word): _FRESH_TOKEN for word in MOZILLA_OLD_TOKEN},
    **{(Service.MOZILLA, 401, word): _HOLD for word in MOZILLA_BAD_TOKEN},
    (Service.MOZILLA, 404, "102"): _DEAD,
    (Service.MOZILLA, 410, "103"): _DEAD,
    (Service.MOZILLA, 410, "105"): _DEAD,
    (Service.MOZILLA, 410, "106"): _DEAD,
    (Service.MOZILLA, 413, "104"): _TOO_LARGE,
    (Service.MOZILLA, 429, "201"): _THROTTLED,
    (Service.MOZILLA, 500, "999"): _SERVER_ERROR,
    (Service.MOZILLA, 502, "900"): _BRIDGE_ERROR,
    (Service.MOZILLA, 502, "901"): _BRIDGE_ERROR,
    (Service.MOZILLA, 502, "902"): _BRIDGE_ERROR,
    (Service.MOZILLA, 502, "903"): _BRIDGE_ERROR,
    (Service.MOZILLA, 502, "904"): _BRIDGE_ERROR,
    (Service.MOZILLA, 503, "201"): _BRIDGE_ERROR,
    (Service.MOZILLA, 503, "202"): _SERVER_ERROR,
}
_FCM: dict[_Key, Verdict] = {
    (Service.FCM, 400, "UnauthorizedRegistration"): _BAD_SUBSCRIPTION,
    (Service.FCM, 401, "authorization header must be specified"): _HOLD,
    (Service.FCM, 403, ""): _KEY_MISMATCH,
    (Service.FCM, 403, "do not correspond to the credentials used to create the subscriptions"): _KEY_MISMATCH,
    (Service.FCM, 403, "does not correspond to the sender ID"): _KEY_MISMATCH,
    (Service.FCM, 403, "invalid JWT"): _FRESH_TOKEN,
    (Service.FCM, 403, "exp claim MUST NOT be more than 24 hours"): _FRESH_TOKEN,
    (Service.FCM, 403, "aud claim in the token MUST include the origin"): _HOLD,
    # It comes and goes with single subscriptions, so it doesn't make them dead.
    (Service.FCM, 403, "invalid push subscription endpoint"): _BAD_SUBSCRIPTION,
    (Service.FCM, 404, "NotRegistered"): _DEAD,
    (Service.FCM, 410, "NotRegistered"): _DEAD,
}
_APPLE: dict[_Key, Verdict] = {
    (Service.APPLE, 400, "BadTtl"): _BAD_OPTION,
    (Service.APPLE, 400, "BadUrgency"): _BAD_OPTION,
    (Service.APPLE, 400, "BadWebPushTopic"): _BAD_OPTION,
    (Service.APPLE, 400, "BadWebPushRequest"): _OUR_FAULT,
    (Service.APPLE, 400, "BadVapidPublicKey"): _HOLD,
    (Service.APPLE, 400, "BadAuthorizationHeader"): _HOLD,
    (Service.APPLE, 400, "IdleTimeout"): _SERVER_LEAVES,
    (Service.APPLE, 400, "VapidPkHashMismatch"): _KEY_MISMATCH,
    (Service.APPLE, 403, "VapidPkHashMismatch"): _KEY_MISMATCH,
    (Service.APPLE, 403, "BadJwtToken"): _FRESH_TOKEN,
    (Service.APPLE, 404, "BadPath"): _DEAD,
    (Service.APPLE, 405, "MethodNotAllowed"): _OUR_FAULT,
    (Service.APPLE, 410, "ExpiredToken"): _DEAD,
    (Service.APPLE, 410, "Unregistered"): _DEAD,
    (Service.APPLE, 413, "PayloadTooLarge"): _TOO_LARGE,
    (Service.APPLE, 429, "TooManyRequests"): _THROTTLED,
    (Service.APPLE, 500, "InternalServerError"): _SERVER_ERROR,
    (Service.APPLE, 503, "ServiceUnavailable"): _SERVER_ERROR,
    (Service.APPLE, 503, "Shutdown"): _SERVER_LEAVES,
}
# A success that was not taken is told in a header only.
_WNS: dict[_Key, Verdict] = {
    (Service.WNS, 201, "channelthrottled"): _THROTTLED,
    (Service.WNS, 201, "appthrottled"): _THROTTLED,
    (Service.WNS, 201, "dropped"): _NOT_TAKEN,
    (Service.WNS, 406, ""): _THROTTLED,
    (Service.WNS, 406, "channelthrottled"): _THROTTLED,
    (Service.WNS, 406, "appthrottled"): _THROTTLED,
}
RESPONSES: dict[_Key, Verdict] = {**_RFC_8030, **_MOZILLA, **_FCM, **_APPLE, **_WNS}

# Apple lists its reasons without their statuses (docs/web-push.md#services): under a status that nobody has seen they
# mean the same, short of killing a subscription.
_APPLE_REASONS = {word: verdict for (_, _, word), verdict in _APPLE.items() if verdict is not _DEAD}
_FALLBACKS = Fallbacks(by_class={3: _OUR_FAULT, 4: _OUR_FAULT, 5: _SERVER_ERROR})


def classify(service: Service, status: int, headers: Headers, body: bytes, now_seconds: float) -> Verdict:
    """Return what one answer means. Never raises: what can't be read is judged by its status.

    ``now_seconds`` is UNIX time, for a ``Retry-After`` that is a date. Of a success, see
    :func:`protocol.providers.webpush.read_receipt` for what the service promises.
    """
    words = read_words(service, headers, body)
    verdict, word = _look_up(service, status, words)
    if verdict.outcome is not AttemptOutcome.DEFERRED:
        return verdict if word is None else msgspec.structs.replace(verdict, provider_reason=word)
    wish = read_wish(verdict, headers, now_seconds)
    return msgspec.structs.replace(
        verdict, provider_reason=word, retry_after_seconds=verdict.retry_after_seconds if wish is None else wish
    )


def _look_up(service: Service, status: int, words: Sequence[str]) -> tuple[Verdict, str | None]:
    """Return the verdict and the service's word for it: the one that decided, else its first."""
    is_success = status // 100 == SUCCESS_CLASS
    seen_as = 201 if is_success else status
    for word in words:
        if (verdict := RESPONSES.get((service, seen_as, word))) is not None:
            return verdict, word
    if is_success:
        return ACCEPTED, None
    first = words[0] if words else None
    if service is Service.APPLE and status >= 400 and first in _APPLE_REASONS:
        return _APPLE_REASONS[first], first
    verdict = RESPONSES.get((service, status, "")) or RESPONSES.get((None, status, ""))
    return verdict or _FALLBACKS.judge(status), first
