"""When a notification may be sent and until when, from the caller's words (all moments in UNIX milliseconds)."""

import msgspec

from protocol.reasons import Reason
from protocol.rejections import RowError
from protocol.send.fields import MOMENT_LIMIT_MS, TTL_LIMIT_SECONDS

DEFAULT_TTL_SECONDS = 24 * 3600
LONGEST_TTL_MS = TTL_LIMIT_SECONDS * 1000
LONGEST_DELAY_MS = 30 * 24 * 3600 * 1000
# A moment before acceptance means at once, for callers prepare batches ahead; one from days ago is a slip.
OLDEST_START_MS = 24 * 3600 * 1000
# 1970-02-17 as milliseconds, the year 2100 as seconds: nobody means the former.
LATEST_IN_SECONDS = MOMENT_LIMIT_MS // 1000
# ``ttl: 0`` is one try now: half a minute lets it wait its turn in a busy gateway, and is still "now" to a person.
SINGLE_TRY_LIMIT_MS = 30_000


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """``not_before_ms`` is 0 for at once. ``single_try``: one try, not stored by the provider."""

    expires_at_ms: int
    not_before_ms: int
    single_try: bool


def resolve_timing(*, ttl: int | None, expires_at: int | None, not_before: int | None, accepted_at_ms: int) -> Timing:
    """Return a notification's times; ttl counts from the later of acceptance and ``not_before``. Raises RowError."""
    start = _resolve_start(not_before, accepted_at_ms)
    not_before_ms = start if start > accepted_at_ms else 0
    if expires_at is None:
        seconds = DEFAULT_TTL_SECONDS if ttl is None else _check_ttl(ttl)
        lifetime_ms = seconds * 1000 or SINGLE_TRY_LIMIT_MS
        return Timing(expires_at_ms=start + lifetime_ms, not_before_ms=not_before_ms, single_try=seconds == 0)
    if ttl is not None:
        raise RowError(Reason.INVALID_OPTION, "expires_at", "a notification has ttl or expires_at, not both")
    _check_expiry(expires_at, start, accepted_at_ms)
    return Timing(expires_at_ms=expires_at, not_before_ms=not_before_ms, single_try=False)


def count_seconds_left(expires_at_ms: int, now_ms: int) -> int:
    """Return what a provider is told of the time left: whole seconds, rounded up, at least 1.

    At most four weeks, which no provider exceeds; that bites where a clock was set back since.
    """
    return min(max(-(-(expires_at_ms - now_ms) // 1000), 1), LONGEST_TTL_MS // 1000)


def check_apns_expiration(expiration: int, accepted_at_ms: int) -> None:
    """Check an ``apns-expiration``: UNIX seconds, or 0 for one attempt. Raises RowError for another unit."""
    if expiration > MOMENT_LIMIT_MS // 1000:
        raise _refuse_unit("apns.expiration", "in UNIX seconds; this is after the year 2100, as milliseconds would be")
    if 0 < expiration < (accepted_at_ms - OLDEST_START_MS) // 1000:
        detail = "in UNIX seconds; this is more than a day in the past, as a number of seconds from now would be"
        raise _refuse_unit("apns.expiration", detail)


def _check_ttl(seconds: int) -> int:
    if seconds > TTL_LIMIT_SECONDS:
        raise _refuse_unit("ttl", f"in seconds, {TTL_LIMIT_SECONDS} (28 days) at most; is it in milliseconds?")
    return seconds


def _resolve_start(not_before: int | None, accepted_at_ms: int) -> int:
    if not_before is None:
        return accepted_at_ms
    _check_moment("not_before", not_before)
    if not_before > accepted_at_ms + LONGEST_DELAY_MS:
        raise RowError(Reason.INVALID_OPTION, "not_before", "at most 30 days ahead, in UNIX milliseconds")
    if not_before < accepted_at_ms - OLDEST_START_MS:
        raise _refuse_unit("not_before", "in UNIX milliseconds; this is more than a day in the past")
    return max(not_before, accepted_at_ms)


def _check_expiry(expires_at: int, start: int, accepted_at_ms: int) -> None:
    _check_moment("expires_at", expires_at)
    if expires_at <= accepted_at_ms:
        raise RowError(Reason.EXPIRED, "expires_at", "this moment has passed, in UNIX milliseconds")
    if expires_at <= start:
        raise RowError(Reason.INVALID_OPTION, "expires_at", "it expires before not_before lets it go")
    if expires_at > start + LONGEST_TTL_MS:
        raise RowError(Reason.INVALID_OPTION, "expires_at", "at most 28 days ahead, in UNIX milliseconds")


def _check_moment(field: str, moment_ms: int) -> None:
    """Refuse what can only be another unit, saying which one it looks like."""
    if moment_ms > MOMENT_LIMIT_MS:
        detail = "in UNIX milliseconds; this is after the year 2100, as micro- or nanoseconds would be"
        raise _refuse_unit(field, detail)
    if moment_ms <= LATEST_IN_SECONDS:
        detail = "in UNIX milliseconds; this looks like seconds, or like a time from now"
        raise _refuse_unit(field, detail)


def _refuse_unit(field: str, detail: str) -> RowError:
    return RowError(Reason.INVALID_OPTION, field, detail)
