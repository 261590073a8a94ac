"""When a notification may be sent and until when, from the caller's words (all moments in UNIX milliseconds)."""

import msgspec

from protocol.reasons import Reason
from protocol.rejections import RowError

DEFAULT_TTL_SECONDS = 24 * 3600
LONGEST_TTL_MS = 28 * 24 * 3600 * 1000
LONGEST_DELAY_MS = 30 * 24 * 3600 * 1000
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
        seconds = DEFAULT_TTL_SECONDS if ttl is None else ttl
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


def _resolve_start(not_before: int | None, accepted_at_ms: int) -> int:
    if not_before is None or not_before <= accepted_at_ms:
        return accepted_at_ms
    if not_before > accepted_at_ms + LONGEST_DELAY_MS:
        raise RowError(Reason.INVALID_OPTION, "not_before", "at most 30 days ahead, in UNIX milliseconds")
    return not_before


def _check_expiry(expires_at: int, start: int, accepted_at_ms: int) -> None:
    if expires_at <= accepted_at_ms:
        raise RowError(Reason.EXPIRED, "expires_at", "this moment has passed, in UNIX milliseconds")
    if expires_at <= start:
        raise RowError(Reason.INVALID_OPTION, "expires_at", "it expires before not_before lets it go")
    if expires_at > start + LONGEST_TTL_MS:
        raise RowError(Reason.INVALID_OPTION, "expires_at", "at most 28 days ahead, in UNIX milliseconds")
