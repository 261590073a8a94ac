import pytest

from protocol.retry_after import LONGEST_SECONDS, read_retry_after

NOW = 1_780_000_000.0  # Thu, 28 May 2026 20:26:40 GMT


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"0", 0.0),
        (b"120", 120.0),
        (b" 7 ", 7.0),
        (b"9999999999", LONGEST_SECONDS),
        (b"Thu, 28 May 2026 20:27:40 GMT", 60.0),
        (b"Thursday, 28-May-26 20:27:40 GMT", 60.0),
        (b"Thu May 28 20:27:40 2026", 60.0),
        (b"Thu, 28 May 2026 20:00:00 GMT", 0.0),
        (b"Thu, 28 May 2099 20:00:00 GMT", LONGEST_SECONDS),
        (b"soon", None),
        (b"-3", None),
        (b"1.5", None),
        (b"", None),
        (b"99999999999", None),
        (b"\xb2", None),
        (b"Thu, 99 May 2026 20:00:00 GMT", None),
    ],
)
def test_seconds_and_dates_count_and_garbage_is_absent(value, seconds):
    assert read_retry_after([(b"x-other", b"1"), (b"Retry-After", value)], NOW) == seconds


def test_without_the_header_there_is_no_wish():
    assert read_retry_after([(b"date", b"x")], NOW) is None
