"""A batch goes in at the socket, out to a strict APNs, and every result comes back."""

import hashlib
from collections import Counter

import pytest

from bench.simulators.apns import ApnsAnswerEvent, ApnsScenario, ApnsSimulatorOptions, open_apns_simulator
from bench.simulators.server import Latency
from tests.support.gateway import alert_batch, device_tokens, open_shop


async def test_every_notification_reaches_the_provider_once_and_gets_one_result(tmp_path):
    tokens = device_tokens(1000)
    async with open_apns_simulator() as simulator, open_shop(tmp_path, simulator) as shop:
        accepted = await shop.send(alert_batch(tokens, batch_id="sale-1"))
        results = await shop.read_results(1000)
    assert (accepted.accepted, accepted.rejected) == (1000, [])
    assert sorted(result.index for result in results) == list(range(1000))
    assert {result.outcome for result in results} == {"provider_accepted"}
    assert {(result.attempts, result.provider_status) for result in results} == {(1, 200)}
    assert Counter(entry.destination for entry in simulator.ledger.entries) == Counter(tokens)


async def test_the_apns_id_in_a_result_is_the_one_that_was_sent(tmp_path):
    async with open_apns_simulator() as simulator, open_shop(tmp_path, simulator) as shop:
        await shop.send(alert_batch(device_tokens(20)))
        results = await shop.read_results(20)
    sent = {entry.destination: entry.apns_id for entry in simulator.ledger.entries}
    assert {result.index: result.provider_id for result in results} == {
        index: sent[token] for index, token in enumerate(device_tokens(20))
    }


async def test_payload_bytes_arrive_untouched(tmp_path):
    payload = b'{ "aps" : {"alert":"caf\xc3\xa9"} ,"n":1.50, "z": null }'
    async with open_apns_simulator() as simulator, open_shop(tmp_path, simulator) as shop:
        batch = alert_batch(device_tokens(1))
        del batch["content"]
        await shop.send(batch | {"payload_json": payload})
        await shop.read_results(1)
    assert [entry.body_sha256 for entry in simulator.ledger.entries] == [hashlib.sha256(payload).hexdigest()]


async def test_a_dead_token_is_rejected_with_its_date_and_no_other_row_is_harmed(tmp_path):
    dead = ApnsAnswerEvent(destination_prefix="dead", status=410, reason="Unregistered", dead_for_seconds=3600)
    tokens = device_tokens(50) + device_tokens(5, prefix="dead")
    options = ApnsSimulatorOptions(scenario=ApnsScenario(events=(dead,)))
    async with open_apns_simulator(options) as simulator, open_shop(tmp_path, simulator) as shop:
        await shop.send(alert_batch(tokens))
        results = {result.index: result for result in await shop.read_results(55)}
    assert {results[index].outcome for index in range(50)} == {"provider_accepted"}
    for index in range(50, 55):
        assert (results[index].outcome, results[index].reason) == ("rejected", "dead_token")
        assert results[index].advice == "delete_pending"
        assert results[index].provider_reason == "Unregistered"
        assert results[index].dead_since == pytest.approx(results[index].finished_at - 3_600_000, abs=20_000)


@pytest.mark.parametrize(
    ("status", "reason", "expected"),
    [
        (400, "BadDeviceToken", ("rejected", "invalid_token")),
        (413, "PayloadTooLarge", ("rejected", "payload_too_large")),
        (429, "TooManyRequests", ("failed", "rate_limited")),
        (500, "InternalServerError", ("failed", "provider_error")),
    ],
)
async def test_an_answer_that_is_no_success_settles_with_its_reason(tmp_path, status, reason, expected):
    scenario = ApnsScenario(events=(ApnsAnswerEvent(destination_prefix="bad", status=status, reason=reason),))
    options = ApnsSimulatorOptions(scenario=scenario)
    async with open_apns_simulator(options) as simulator, open_shop(tmp_path, simulator) as shop:
        # One try each: what may go better next time would else be tried again.
        await shop.send(alert_batch(device_tokens(1) + device_tokens(1, prefix="bad"), defaults={"ttl": 0}))
        results = {result.index: result for result in await shop.read_results(2)}
    assert results[0].outcome == "provider_accepted"
    assert (results[1].outcome, results[1].reason) == expected
    assert (results[1].provider_status, results[1].provider_reason) == (status, reason)
    assert results[1].attempts == 1


async def test_ids_tracks_and_labels_come_back(tmp_path):
    rows = [
        {"id": f"n{number}", "to": {"apns": {"token": token}}, "track": b"t%d" % number}
        for number, token in enumerate(device_tokens(3))
    ]
    async with open_apns_simulator() as simulator, open_shop(tmp_path, simulator) as shop:
        await shop.send(
            {"app": "shop", "content": {"title": "Hi"}, "notifications": rows, "labels": ["spring"], "batch_id": "b"}
        )
        results = await shop.read_results(3)
    assert {(result.id, result.track) for result in results} == {("n0", "dDA="), ("n1", "dDE="), ("n2", "dDI=")}
    assert all(result.labels == ["spring"] and result.batch_id == "b" for result in results)


async def test_a_slow_provider_is_asked_for_many_at_once(tmp_path):
    options = ApnsSimulatorOptions(scenario=ApnsScenario(latency=Latency(distribution="fixed", seconds=0.05)))
    async with open_apns_simulator(options) as simulator, open_shop(tmp_path, simulator) as shop:
        await shop.send(alert_batch(device_tokens(2000)))
        await shop.read_results(2000)
        # One at a time would take 100 s, twice the patience of this test.
        assert simulator.statistics().requests == 2000


async def test_a_second_gateway_with_the_same_key_does_not_count_as_one_that_changes_its_token(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    async with (
        open_apns_simulator() as simulator,
        open_shop(tmp_path / "one", simulator) as one,
        open_shop(tmp_path / "two", simulator) as two,
    ):
        outcomes = []
        for start, shop in enumerate((one, two, one, two)):
            await shop.send(alert_batch(device_tokens(50, start=start * 50)))
            outcomes += [result.outcome for result in await shop.read_results(50)]
    assert outcomes == ["provider_accepted"] * 200
