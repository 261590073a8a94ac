"""The extremes of every number in providers' answers: a bounded wait, a bounded cost, and never an exception."""

import math
import time
import tracemalloc

import orjson
import pytest

from protocol.disposition import AttemptEnd, Policy, RetryAfter, dispose
from protocol.providers import apns, fcm, webpush
from protocol.providers.fcm.access_tokens import read_exchange
from protocol.providers.webpush.services import Service
from protocol.retry_after import LONGEST_SECONDS

NOW = 1_800_000_000.0
NUMBERS = (
    *(b"0", b"-1", b"1", b"00000000000000000000001", b"1.5", b"1e3", b"+5", b"0x10", b"NaN", b"Infinity", b"-Infinity"),
    *(
        b"2147483647",
        b"2147483648",
        b"4294967296",
        b"9007199254740993",
        b"9223372036854775807",
        b"18446744073709551616",
    ),
    *(b"9" * 10, b"9" * 11, b"9" * 400, b"9" * 5000, b"1e308", b"1e309", b"1e-400", b"1e99999999999", "٣".encode()),
)
DATES = (
    b"Wed, 21 Oct 9999 07:28:00 GMT",
    b"Wed, 21 Oct 99999999999999999999 07:28:00 GMT",
    b"Wed, 99999999999 Oct 2030 07:28:00 GMT",
    b"Wed, 21 Oct 2030 99999999:28:00 GMT",
    b"Wed, 21 Oct 2030 07:28:00 +99999999999999999",
    b"Wed, 21 Oct 2030 07:28:00 -9999",
    b"Mon, 01 Jan 0001 00:00:00 +2359",
    b"Fri, 31 Dec 9999 23:59:59 -2359",
    b"Wed, 21 Oct " + b"9" * 5000 + b" 07:28:00 GMT",
    b",".join([b"Wed"] * 5000),
    b"(" * 8000,
    b"1 " * 8000,
)
CPU_SECONDS = 0.05
TRIES = 3
MEMORY_BYTES = 1024 * 1024
STATUSES = (200, 400, 401, 403, 404, 410, 413, 429, 500, 503)


def bodies() -> list[bytes]:
    written = [b"", b"[" * 60_000, b"{" * 60_000, b'"' * 60_000, b'{"a":' * 12_000, b"9" * 60_000]
    for number in (*NUMBERS, b'"1"', b"null", b"{}", b"[]", b"true"):
        written += [
            b'{"reason":"Unregistered","timestamp":' + number + b"}",
            b'{"error":{"code":' + number + b',"status":"UNAVAILABLE","details":[]}}',
            b'{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","details":[{"@type":'
            b'"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"' + number + b's"}]}}',
            b'{"code":' + number + b',"errno":' + number + b"}",
            b'{"access_token":"t","token_type":"Bearer","expires_in":' + number + b"}",
        ]
    details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "9s"}] * 800
    return [*written, orjson.dumps({"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "details": details}})]


def verdicts(status, headers, body):
    yield apns.classify(status, headers, body, NOW)
    yield fcm.classify(status, headers, body, NOW)
    for service in Service:
        yield webpush.classify(service, status, headers, body, NOW)


def look(headers, body):
    """Judge an answer in every provider's words, and decide what becomes of its row."""
    for status in STATUSES:
        for verdict in verdicts(status, headers, body):
            if verdict.retry_after_seconds is not None:
                assert 0 <= verdict.retry_after_seconds <= LONGEST_SECONDS
            end = AttemptEnd(
                verdict=verdict,
                attempts=1,
                uncertain_attempts=0,
                repeats=0,
                was_remedied=False,
                report_unknown=False,
                single_try=False,
                seconds_left=10 * LONGEST_SECONDS,
            )
            disposition = dispose(end, Policy(), jitter=1.0)
            if isinstance(disposition, RetryAfter):
                assert math.isfinite(disposition.seconds)
                assert 0 <= disposition.seconds <= LONGEST_SECONDS


def cost_of(headers, body):
    """Return the processor seconds for one status and provider, and the most bytes held."""
    tracemalloc.start()
    began = time.process_time()
    look(headers, body)
    seconds = time.process_time() - began
    held = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return seconds / (len(STATUSES) * (2 + len(Service))), held


def check(headers, body):
    costs = [cost_of(headers, body)]
    while costs[-1][0] > CPU_SECONDS and len(costs) < TRIES:
        costs.append(cost_of(headers, body))
    assert min(seconds for seconds, _ in costs) <= CPU_SECONDS
    assert min(held for _, held in costs) <= MEMORY_BYTES


@pytest.mark.parametrize("value", [*NUMBERS, *DATES], ids=lambda value: repr(value[:30]))
def test_a_wish_for_patience(value):
    check([(b"retry-after", value)], b"")


def test_numbers_in_bodies():
    for body in bodies():
        check([], body)


@pytest.mark.parametrize("number", NUMBERS, ids=lambda value: repr(value[:30]))
def test_the_lifetime_of_an_access_token(number):
    body = b'{"access_token":"t","token_type":"Bearer","expires_in":' + number + b"}"
    outcome = read_exchange(200, body, NOW)
    if hasattr(outcome, "expires_at_seconds"):
        assert math.isfinite(outcome.expires_at_seconds)
