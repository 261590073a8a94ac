"""What every answer of FCM means in our words (docs/fcm.md#answers).

The table has one row for each (status, code) of Google's; None is an answer without an ``FcmError``. Refinements that
need more than the code stand below it: what ``BadRequest`` names, what APNs told FCM, what only the text says, whose
quota is used up. Only ``UNREGISTERED`` with its 404, and APNs' own word for a dead token, make a token dead: a bare 404
speaks of the project.
"""

import re
from collections.abc import Sequence

import msgspec

from protocol.outcomes import Advice, AttemptOutcome, Remedy, Verdict
from protocol.providers import apns
from protocol.providers.fcm.error_details import (
    MALFORMED_WORDS,
    TARGET_FIELDS,
    TOO_LARGE_WORDS,
    ApnsError,
    ErrorDetails,
    read_error,
)
from protocol.providers.verdicts import ACCEPTED, Fallbacks, defer, read_wish, reject, repeat
from protocol.reasons import Reason
from protocol.refusals import DECODING_ERRORS

# Google (docs/fcm.md#answers): first after at least 10 s, 60 s for a 429 that names no time, none after 60 minutes.
# Ten attempts have nine delays between them, so that with this ceiling for each all of them together end in time.
LEAST_DELAY_SECONDS = 10.0
QUOTA_DELAY_SECONDS = 60.0
CEILING_SECONDS = 400.0
# A wish beyond the moment at which Google says to give up is a mistake or an outage: look again then.
LONGEST_WISH_SECONDS = 3600.0


def _retry(reason: Reason, least_delay_seconds: float, remedy: Remedy = Remedy.NONE) -> Verdict:
    return defer(
        reason,
        2 * least_delay_seconds,
        least_delay_seconds=least_delay_seconds,
        ceiling_seconds=CEILING_SECONDS,
        remedy=remedy,
    )


_BAD_PAYLOAD = reject(Reason.INVALID_PAYLOAD, Advice.FIX_PAYLOAD)
_TOO_LARGE = reject(Reason.PAYLOAD_TOO_LARGE, Advice.FIX_PAYLOAD)
_BAD_ADDRESS = reject(Reason.INVALID_TOKEN, Advice.FIX_TARGET)
_BAD_CREDENTIALS = reject(Reason.BAD_CREDENTIALS, Advice.FIX_CREDENTIALS)
_OLD_TOKEN = _retry(Reason.BAD_CREDENTIALS, LEAST_DELAY_SECONDS, Remedy.FRESH_TOKEN)
_NO_PERMISSION = _retry(Reason.BAD_CREDENTIALS, LEAST_DELAY_SECONDS, Remedy.HOLD_LANE)
_QUOTA = _retry(Reason.RATE_LIMITED, QUOTA_DELAY_SECONDS, Remedy.SLOW_LANE)
_SERVER_ERROR = _retry(Reason.PROVIDER_ERROR, LEAST_DELAY_SECONDS)

RESPONSES: dict[tuple[int, str | None], Verdict] = {
    (400, "INVALID_ARGUMENT"): _BAD_PAYLOAD,
    (400, None): _BAD_PAYLOAD,
    # The project's APNs or Web Push key is wrong: Android devices of the same lane are served all the same.
    (401, "THIRD_PARTY_AUTH_ERROR"): _BAD_CREDENTIALS,
    (401, "APNS_AUTH_ERROR"): _BAD_CREDENTIALS,
    (401, None): _OLD_TOKEN,
    (403, "SENDER_ID_MISMATCH"): reject(Reason.WRONG_APP, Advice.FIX_TARGET),
    (403, "PERMISSION_DENIED"): _NO_PERMISSION,
    (403, None): _NO_PERMISSION,
    (404, "UNREGISTERED"): reject(Reason.DEAD_TOKEN, Advice.DELETE_PENDING),
    (404, None): _BAD_CREDENTIALS,
    (429, "QUOTA_EXCEEDED"): _QUOTA,
    (429, None): _QUOTA,
    (500, "INTERNAL"): _SERVER_ERROR,
    (500, None): _SERVER_ERROR,
    (502, None): _SERVER_ERROR,
    (503, "UNAVAILABLE"): _SERVER_ERROR,
    (503, None): _SERVER_ERROR,
    (504, None): _SERVER_ERROR,
    **{(status, None): verdict for status, verdict in repeat(_SERVER_ERROR).items()},
}
# By words of the text, where a 400 has no details that say more.
BY_TEXT: dict[str, Verdict] = {MALFORMED_WORDS: _BAD_ADDRESS, **dict.fromkeys(TOO_LARGE_WORDS, _TOO_LARGE)}

_CODES_OF_TEXT = frozenset({"INVALID_ARGUMENT", None})
# The old name is the same word under any status.
_AUTH_WORDS = frozenset({"THIRD_PARTY_AUTH_ERROR", "APNS_AUTH_ERROR"})
# A code that is new, or stands under another status than its own.
_FALLBACKS = Fallbacks(
    by_status={
        401: _BAD_CREDENTIALS,
        403: _BAD_CREDENTIALS,
        413: _TOO_LARGE,
        429: _QUOTA,
        **repeat(_SERVER_ERROR),
    },
    by_class={4: reject(Reason.PROVIDER_ERROR), 5: _SERVER_ERROR},
)

_NAME = re.compile(r"projects/[a-z0-9:.-]{1,128}/messages/[!-~]{1,255}")


class _Success(msgspec.Struct):
    name: object = None


_success_decoder = msgspec.json.Decoder(_Success)


def classify(status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes, now_seconds: float) -> Verdict:
    """Return what one answer means. Never raises: what can't be read is judged by its status.

    ``now_seconds`` is UNIX time, for a ``Retry-After`` that is a date.
    """
    if status == 200:
        return ACCEPTED
    error = read_error(body)
    verdict = _refine(_look_up(status, error), status, error)
    word = verdict.provider_reason or error.code or error.status
    return _with_wish(msgspec.structs.replace(verdict, provider_reason=word), headers, error, now_seconds)


def read_name(body: bytes) -> str | None:
    """Return the message's name from the body of a success, ``projects/<project>/messages/<id>``; None without one."""
    try:
        name = _success_decoder.decode(body).name
    except DECODING_ERRORS:
        return None
    return name if isinstance(name, str) and _NAME.fullmatch(name) else None


def _look_up(status: int, error: ErrorDetails) -> Verdict:
    code = error.code
    if 400 <= status < 500 and code in _AUTH_WORDS:
        return _BAD_CREDENTIALS
    return RESPONSES.get((status, code)) or _FALLBACKS.judge(status)


def _refine(verdict: Verdict, status: int, error: ErrorDetails) -> Verdict:
    if status == 429:
        return _scope_of_quota(verdict, error)
    if status in {400, 401} and error.apns is not None:
        return _judge_apns(verdict, error.apns, error.code)
    if status == 400 and error.violations:
        return _BAD_ADDRESS if TARGET_FIELDS.issuperset(error.violations) else verdict
    if status == 400 and error.words is not None and error.code in _CODES_OF_TEXT:
        return msgspec.structs.replace(BY_TEXT[error.words], provider_reason=error.words)
    return verdict


def _scope_of_quota(verdict: Verdict, error: ErrorDetails) -> Verdict:
    """Slow the lane unless FCM names only subjects smaller than a project (one device, one topic)."""
    if error.quota_subjects and not any(_may_be_project(subject) for subject in error.quota_subjects):
        return msgspec.structs.replace(verdict, remedy=Remedy.NONE)
    return verdict


def _may_be_project(subject: str) -> bool:
    return not subject or subject.startswith("project")


def _judge_apns(verdict: Verdict, error: ApnsError, code: str | None) -> Verdict:
    """Return what APNs' own answer means, told through FCM: its delays are FCM's, and its credential the project's."""
    told = apns.classify(error.status, (), msgspec.json.encode({"reason": error.reason}), 0.0)
    if told.outcome not in {AttemptOutcome.REJECTED, AttemptOutcome.DEFERRED}:
        return verdict
    if told.reason is Reason.BAD_CREDENTIALS or code in _AUTH_WORDS:
        told = _BAD_CREDENTIALS
    elif told.outcome is AttemptOutcome.DEFERRED:
        told = _retry(told.reason or Reason.PROVIDER_ERROR, LEAST_DELAY_SECONDS)
    return msgspec.structs.replace(told, provider_reason=error.reason)


def _with_wish(
    verdict: Verdict, headers: Sequence[tuple[bytes, bytes]], error: ErrorDetails, now_seconds: float
) -> Verdict:
    """Take the longer of FCM's two ways to name a time. One that is named replaces the 60 s of a quota."""
    if verdict.outcome is not AttemptOutcome.DEFERRED:
        return verdict
    wishes = [
        wish for wish in (read_wish(verdict, headers, now_seconds), error.retry_delay_seconds) if wish is not None
    ]
    if not wishes:
        return verdict
    return msgspec.structs.replace(
        verdict,
        retry_after_seconds=min(max(wishes), LONGEST_WISH_SECONDS),
        least_delay_seconds=LEAST_DELAY_SECONDS,
        first_delay_seconds=2 * LEAST_DELAY_SECONDS,
    )
