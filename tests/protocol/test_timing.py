import pytest

from protocol.reasons import Reason
from protocol.rejections import RowError
from protocol.timing import SINGLE_TRY_LIMIT_MS, Timing, check_apns_expiration, resolve_timing

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
        ({"not_before": NOW - DAY, "ttl": 60}, NOW + 60_000, 0, False),
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


@pytest.mark.parametrize(
    ("wanted", "field", "words"),
    [
        ({"not_before": NOW // 1000}, "not_before", "in UNIX milliseconds; this looks like seconds"),
        ({"not_before": (NOW + HOUR) // 1000}, "not_before", "in UNIX milliseconds; this looks like seconds"),
        ({"not_before": 0}, "not_before", "in UNIX milliseconds; this looks like seconds"),
        ({"not_before": NOW - DAY - 1}, "not_before", "in UNIX milliseconds; this is more than a day in the past"),
        ({"not_before": NOW * 1000}, "not_before", "in UNIX milliseconds; this is after the year 2100"),
        ({"expires_at": NOW // 1000}, "expires_at", "in UNIX milliseconds; this looks like seconds"),
        ({"expires_at": 3600}, "expires_at", "or like a time from now"),
        ({"expires_at": NOW * 1_000_000}, "expires_at", "in UNIX milliseconds; this is after the year 2100"),
        ({"ttl": 28 * 86_400 + 1}, "ttl", "in seconds, 2419200 (28 days) at most; is it in milliseconds?"),
        ({"ttl": 2**63 - 1}, "ttl", "in seconds"),
    ],
)
def test_a_time_in_the_wrong_unit_is_rejected_naming_the_right_one(wanted, field, words):
    with pytest.raises(RowError, match="invalid_option") as caught:
        timing(**wanted)
    assert caught.value.field == field
    assert words in caught.value.detail


def test_a_moment_that_has_passed_is_expired_however_long_ago():
    with pytest.raises(RowError) as caught:
        timing(expires_at=NOW - 300 * DAY)
    assert caught.value.reason is Reason.EXPIRED


@pytest.mark.parametrize("expiration", [NOW, 3600, 1, NOW // 1000 - 86_401])
def test_an_expiration_for_apns_is_in_seconds(expiration):
    with pytest.raises(RowError) as caught:
        check_apns_expiration(expiration, NOW)
    assert caught.value.field == "apns.expiration"
    assert "in UNIX seconds" in caught.value.detail


@pytest.mark.parametrize("expiration", [0, NOW // 1000 - 86_400, NOW // 1000, NOW // 1000 + 3600])
def test_an_expiration_for_apns_may_be_zero_or_a_moment(expiration):
    check_apns_expiration(expiration, NOW)
