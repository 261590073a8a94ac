"""What every answer of APNs means in our words (docs/apns.md#answers).

The table has one row for each (status, reason) that Apple documents or senders have seen. Where Apple's advice wants
memory that a gateway doesn't have (when was this token registered? did its payload work elsewhere?), the row holds the
cautious verdict: only 410 with its reason makes a token dead, and nothing about credentials ever touches a token.
"""

import re
from collections.abc import Sequence
from functools import partial

import msgspec

from protocol.outcomes import Advice, Remedy, Verdict
from protocol.providers.verdicts import ACCEPTED, Fallbacks, defer, read_wish, reject, repeat
from protocol.reasons import Reason
from protocol.refusals import DECODING_ERRORS
from protocol.send.fields import MOMENT_LIMIT_MS

# Apple asks for patience up to 15 minutes after a 5xx. The first delays are ours: short where the fault is of one
# server, longer where it is of one device or of the rate at which we renew the provider token.
CEILING_SECONDS = 900.0
SERVER_DELAY_SECONDS = 1.0
DEVICE_DELAY_SECONDS = 10.0
TOKEN_UPDATE_DELAY_SECONDS = 60.0

_Key = tuple[int, str]

_retry = partial(defer, ceiling_seconds=CEILING_SECONDS)
_hold = partial(_retry, Reason.BAD_CREDENTIALS)

# What one change of the credential may cure is tried once, the rest holds the lane.
_BAD_CREDENTIALS = _hold(TOKEN_UPDATE_DELAY_SECONDS, remedy=Remedy.HOLD_LANE)
_OLD_TOKEN = _hold(SERVER_DELAY_SECONDS, remedy=Remedy.FRESH_TOKEN)
_OTHER_TEAM = _hold(SERVER_DELAY_SECONDS, remedy=Remedy.FRESH_SESSION)
_BAD_OPTION = reject(Reason.INVALID_OPTION, Advice.FIX_PAYLOAD)
_BAD_PAYLOAD = reject(Reason.INVALID_PAYLOAD, Advice.FIX_PAYLOAD)
_TOO_LARGE = reject(Reason.PAYLOAD_TOO_LARGE, Advice.FIX_PAYLOAD)
_BAD_ADDRESS = reject(Reason.INVALID_TOKEN, Advice.FIX_TARGET)
_BAD_TOPIC = reject(Reason.INVALID_OPTION, Advice.FIX_TARGET)
_WRONG_APP = reject(Reason.WRONG_APP, Advice.FIX_TARGET)
_TOPIC_NOT_COVERED = reject(Reason.WRONG_APP, Advice.FIX_CREDENTIALS)
_REFUSED_CREDENTIALS = reject(Reason.BAD_CREDENTIALS, Advice.FIX_CREDENTIALS)
_OUR_FAULT = reject(Reason.PROVIDER_ERROR)
_DEAD = reject(Reason.DEAD_TOKEN, Advice.DELETE_PENDING)
_THROTTLED = _retry(Reason.RATE_LIMITED, DEVICE_DELAY_SECONDS)
_SERVER_ERROR = _retry(Reason.PROVIDER_ERROR, SERVER_DELAY_SECONDS)
_SERVER_LEAVES = _retry(Reason.PROVIDER_ERROR, SERVER_DELAY_SECONDS, remedy=Remedy.FRESH_SESSION)

RESPONSES: dict[_Key, Verdict] = {
    (400, "BadCollapseId"): _BAD_OPTION,
    (400, "BadDeviceToken"): reject(Reason.INVALID_TOKEN, Advice.CHECK_ENVIRONMENT),
    (400, "BadExpirationDate"): _BAD_OPTION,
    (400, "BadMessageId"): _OUR_FAULT,
    (400, "BadPriority"): _BAD_OPTION,
    (400, "BadTopic"): _BAD_TOPIC,
    (400, "DeviceTokenNotForTopic"): _WRONG_APP,
    (400, "DuplicateHeaders"): _OUR_FAULT,
    (400, "IdleTimeout"): _SERVER_LEAVES,
    (400, "InvalidPushType"): _BAD_OPTION,
    (400, "MissingDeviceToken"): _BAD_ADDRESS,
    (400, "MissingTopic"): _BAD_TOPIC,
    (400, "PayloadEmpty"): _BAD_PAYLOAD,
    (400, "TopicDisallowed"): _TOPIC_NOT_COVERED,
    (403, "BadCertificate"): _BAD_CREDENTIALS,
    (403, "BadCertificateEnvironment"): _BAD_CREDENTIALS,
    (403, "ExpiredProviderToken"): _OLD_TOKEN,
    (403, "Forbidden"): _BAD_CREDENTIALS,
    (403, "InvalidProviderToken"): _BAD_CREDENTIALS,
    (403, "MissingProviderToken"): _BAD_CREDENTIALS,
    (403, "UnrelatedKeyIdInToken"): _OTHER_TEAM,
    (403, "BadEnvironmentKeyIdInToken"): _BAD_CREDENTIALS,
    (403, "BadEnvironmentKeyInToken"): _BAD_CREDENTIALS,
    (404, "BadPath"): _OUR_FAULT,
    (405, "MethodNotAllowed"): _OUR_FAULT,
    (410, "ExpiredToken"): _DEAD,
    (410, "Unregistered"): _DEAD,
    (413, "PayloadTooLarge"): _TOO_LARGE,
    (429, "TooManyProviderTokenUpdates"): _retry(
        Reason.RATE_LIMITED, TOKEN_UPDATE_DELAY_SECONDS, remedy=Remedy.KEEP_TOKEN
    ),
    (429, "TooManyRequests"): _THROTTLED,
    (500, "InternalServerError"): _SERVER_ERROR,
    (503, "ServiceUnavailable"): _SERVER_ERROR,
    (503, "Service Unavailable"): _SERVER_ERROR,  # Apple's broadcast page prints it with a blank once
    (503, "Shutdown"): _SERVER_LEAVES,
    # Broadcasts and their channels.
    (400, "FeatureNotEnabled"): _WRONG_APP,
    (400, "MissingChannelId"): _BAD_ADDRESS,
    (400, "BadChannelId"): _BAD_ADDRESS,
    (400, "BadRequestParams"): _BAD_OPTION,
    (400, "BadRequestPayload"): _BAD_PAYLOAD,
    (400, "MissingPushType"): _BAD_OPTION,
    (400, "ChannelNotRegistered"): reject(Reason.CHANNEL_GONE, Advice.FIX_TARGET),
    (400, "CannotCreateChannelConfig"): _BAD_OPTION,
    (400, "MissingChannelQueueSize"): _BAD_OPTION,
    (403, "TopicMismatch"): _TOPIC_NOT_COVERED,
}

# GOAWAY carries a reason without a status; every reason stands under one status only.
_BY_REASON: dict[str, Verdict] = {reason: verdict for (_, reason), verdict in RESPONSES.items()}

_FALLBACKS = Fallbacks(
    by_status={
        401: _REFUSED_CREDENTIALS,
        403: _REFUSED_CREDENTIALS,
        410: _BAD_ADDRESS,  # without its reason it is not the unmistakable word
        413: _TOO_LARGE,
        429: _THROTTLED,
        **repeat(_SERVER_ERROR),
    },
    by_class={4: _OUR_FAULT, 5: _SERVER_ERROR},
)

_REASON_WORD = re.compile(r"[A-Za-z][A-Za-z ]{0,63}")


class _Error(msgspec.Struct):
    """Any types: a strange timestamp must not hide the reason beside it."""

    reason: object = None
    timestamp: object = None


_decoder = msgspec.json.Decoder(_Error)


def classify(status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes, now_seconds: float) -> Verdict:
    """Return what one answer means. Never raises: what can't be read is judged by its status.

    ``now_seconds`` is UNIX time, for a ``Retry-After`` that is a date. ``dead_since_ms`` is the moment since which
    APNs knew: a registration newer than it is alive.
    """
    if status == 200:
        return ACCEPTED
    error = _read_error(body)
    reason = _read_reason(error)
    verdict = _look_up(status, reason)
    return msgspec.structs.replace(
        verdict,
        provider_reason=reason,
        retry_after_seconds=read_wish(verdict, headers, now_seconds),
        dead_since_ms=_read_timestamp(error) if verdict.reason is Reason.DEAD_TOKEN else None,
    )


def classify_goaway(debug_data: bytes) -> Verdict | None:
    """Return what a GOAWAY's debug data says about the credential or the server; None when it says nothing known."""
    reason = _read_reason(_read_error(debug_data))
    verdict = None if reason is None else _BY_REASON.get(reason)
    return None if verdict is None else msgspec.structs.replace(verdict, provider_reason=reason)


def _look_up(status: int, reason: str | None) -> Verdict:
    verdict = None if reason is None else RESPONSES.get((status, reason))
    return verdict or _FALLBACKS.judge(status)


def _read_error(body: bytes) -> _Error:
    """Return what an answer's body says; nothing when it is missing or not JSON."""
    try:
        return _decoder.decode(body)
    except DECODING_ERRORS:
        return _Error()


def _read_reason(error: _Error) -> str | None:
    """Return the reason when it is a word that may stand in results and logs."""
    reason = error.reason
    return reason if isinstance(reason, str) and _REASON_WORD.fullmatch(reason) else None


def _read_timestamp(error: _Error) -> int | None:
    timestamp = error.timestamp
    return timestamp if isinstance(timestamp, int) and 0 < timestamp <= MOMENT_LIMIT_MS else None
