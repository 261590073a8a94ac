import pytest

from protocol.reasons import Reason
from protocol.rejections import RowError
from protocol.timing import SINGLE_TRY_LIMIT_MS, Timing, resolve_timing

NOW = 1_780_000_000_000
HOUR = 3_600_000
DAY = 24 * HOUR


def timing(ttl=None, expires_at=None, not_before=None) -> Timing:
    return resolve_timing(ttl=ttl, expires_at=expires_at, not_before=not_before, accepted_at_ms=NOW)


@pytest.mark.parametrize(
    ("wanted", "expires_at_ms", "not_before_ms", "single_try"),
    [
        ({}, NOW + DAY, 0, False),
        ({"ttl": 60}, NOW + 60_000, 0, False),
        ({"ttl": 0}, NOW + SINGLE_TRY_LIMIT_MS, 0, True),
        ({"expires_at": NOW + 1}, NOW + 1, 0, False),
        ({"expires_at": NOW + 28 * DAY}, NOW + 28 * DAY, 0, False),
        ({"not_before": NOW}, NOW + DAY, 0, False),
        ({"not_before": NOW - HOUR, "ttl": 60}, NOW + 60_000, 0, False),
        ({"not_before": NOW + HOUR, "ttl": 60}, NOW + HOUR + 60_000, NOW + HOUR, False),
        ({"not_before": NOW + HOUR, "ttl": 0}, NOW + HOUR + SINGLE_TRY_LIMIT_MS, NOW + HOUR, True),
        ({"not_before": NOW + 30 * DAY}, NOW + 31 * DAY, NOW + 30 * DAY, False),
        ({"not_before": NOW + HOUR, "expires_at": NOW + HOUR + 1}, NOW + HOUR + 1, NOW + HOUR, False),
        ({"not_before": NOW + HOUR, "expires_at": NOW + HOUR + 28 * DAY}, NOW + HOUR + 28 * DAY, NOW + HOUR, False),
    ],
)
def test_ttl_counts_from_the_later_of_acceptance_and_not_before(wanted, expires_at_ms, not_before_ms, single_try):
    assert timing(**wanted) == Timing(expires_at_ms=expires_at_ms, not_before_ms=not_before_ms, single_try=single_try)


@pytest.mark.parametrize(
    ("wanted", "reason", "field"),
    [
        ({"ttl": 60, "expires_at": NOW + HOUR}, Reason.INVALID_OPTION, "expires_at"),
        ({"expires_at": NOW}, Reason.EXPIRED, "expires_at"),
        ({"expires_at": NOW + HOUR, "not_before": NOW + HOUR}, Reason.INVALID_OPTION, "expires_at"),
        ({"expires_at": NOW + 28 * DAY + 1}, Reason.INVALID_OPTION, "expires_at"),
        ({"not_before": NOW + 30 * DAY + 1}, Reason.INVALID_OPTION, "not_before"),
    ],
)
def test_times_that_make_no_sense_are_rejected_with_their_field(wanted, reason, field):
    with pytest.raises(RowError) as caught:
        timing(**wanted)
    assert (caught.value.reason, caught.value.field) == (reason, field)
