"""Ledgers of three providers are read into the same words."""

from pathlib import Path

import msgspec
import pytest

from bench.judging.arrivals import Arrival, read_arrivals
from bench.judging.history import ProviderName
from bench.simulators.apns import ApnsLedgerEntry
from bench.simulators.fcm import FcmLedgerEntry
from bench.simulators.server import LedgerEntry
from bench.simulators.webpush import WebPushLedgerEntry

COMMON = {
    "at": 1,
    "settled_at": 7,
    "session": 2,
    "stream": 3,
    "destination": "to",
    "body_sha256": "hash",
    "bytes": 9,
    "reason": "word",
    "processed": True,
}


def apns(status: int | None) -> ApnsLedgerEntry:
    return ApnsLedgerEntry(**COMMON, status=status, apns_id="id")


def fcm(status: int | None) -> FcmLedgerEntry:
    return FcmLedgerEntry(**COMMON, status=status, message_id="id", message_sha256="said", validate_only=False)


def webpush(status: int | None, decryption: str | None = None) -> WebPushLedgerEntry:
    return WebPushLedgerEntry(
        **COMMON,
        status=status,
        service="mozilla",
        vapid_key="first",
        decryption=decryption,
        fault=None,
        location="id",
        ttl=1,
        urgency=None,
        topic=None,
        content_type=None,
    )


MAKERS = {ProviderName.APNS: apns, ProviderName.FCM: fcm, ProviderName.WEBPUSH: webpush}


def read(tmp_path: Path, provider: ProviderName, entry: LedgerEntry) -> Arrival:
    ledger = tmp_path / "ledger.ndjson"
    ledger.write_bytes(msgspec.json.encode(entry) + b"\n")
    (arrival,) = read_arrivals(provider, ledger)
    return arrival


@pytest.mark.parametrize(
    ("provider", "success", "compared"),
    [(ProviderName.APNS, 200, "hash"), (ProviderName.FCM, 200, "said"), (ProviderName.WEBPUSH, 201, "hash")],
)
def test_a_success_is_read(tmp_path: Path, provider: ProviderName, success: int, compared: str):
    arrival = read(tmp_path, provider, MAKERS[provider](success))
    assert arrival == Arrival(
        provider=provider,
        at=1,
        settled_at=7,
        session=2,
        stream=3,
        destination="to",
        body_sha256=compared,
        status=success,
        reason="word",
        processed=True,
        provider_id="id",
    )
    assert (arrival.is_success, arrival.says_dead, arrival.asks_for_repeat) == (True, False, False)


@pytest.mark.parametrize(
    ("provider", "known"), [(ProviderName.APNS, "id"), (ProviderName.FCM, None), (ProviderName.WEBPUSH, None)]
)
def test_only_what_the_sender_chose_itself_is_known_of_what_was_refused(
    tmp_path: Path, provider: ProviderName, known: str | None
):
    assert read(tmp_path, provider, MAKERS[provider](400)).provider_id == known
    assert read(tmp_path, provider, MAKERS[provider](None)).provider_id == known


STATUSES = [
    # status, and who calls the destination dead by it, who asks for a repeat
    (400, set(), set()),
    (401, set(), {ProviderName.FCM}),
    (404, {ProviderName.FCM, ProviderName.WEBPUSH}, set()),
    (410, {ProviderName.APNS, ProviderName.WEBPUSH}, set()),
    (429, set(), set(ProviderName)),
    (500, set(), set(ProviderName)),
    (503, set(), set(ProviderName)),
    (None, set(), set()),
]


@pytest.mark.parametrize(("status", "dead", "repeats"), STATUSES)
def test_each_provider_has_its_own_words(
    tmp_path: Path, status: int | None, dead: set[ProviderName], repeats: set[ProviderName]
):
    arrivals = [read(tmp_path, provider, MAKERS[provider](status)) for provider in ProviderName]
    assert {arrival.provider for arrival in arrivals if arrival.says_dead} == dead
    assert {arrival.provider for arrival in arrivals if arrival.asks_for_repeat} == repeats
    assert not any(arrival.is_success for arrival in arrivals)


def test_what_a_browser_could_not_read_is_told(tmp_path: Path):
    assert read(tmp_path, ProviderName.WEBPUSH, webpush(201, "no tag fits")).undecryptable == "no tag fits"


def test_a_simulator_that_never_started_has_no_arrivals(tmp_path: Path):
    assert list(read_arrivals(ProviderName.APNS, tmp_path / "none")) == []
