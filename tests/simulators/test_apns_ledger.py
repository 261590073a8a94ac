"""The ledger: what it holds of each request, in memory and in its file."""

import hashlib

import trio

from bench.simulators.apns import ApnsLedgerEntry, ApnsSimulatorOptions, open_apns_simulator
from bench.simulators.server import read_ledger
from tests.support.apns_client import BODY, DEVICE, open_memory_client


async def test_entry_tells_what_was_received_and_answered():
    async with open_apns_simulator() as simulator, open_memory_client(simulator) as client:
        given = "123e4567-e89b-42d3-a456-426614174000"
        await client.push(path=f"/3/device/{DEVICE.upper()}", apns_id=given)
        (entry,) = simulator.ledger.of_destination(DEVICE)
        assert (entry.session, entry.stream, entry.apns_id) == (1, 1, given)
        assert (entry.body_sha256, entry.bytes) == (hashlib.sha256(BODY).hexdigest(), len(BODY))
        assert (entry.status, entry.reason, entry.processed) == (200, None, True)


async def test_entries_are_found_by_destination_and_by_body_as_they_come():
    async with open_apns_simulator() as simulator, open_memory_client(simulator) as client:
        for number in range(3):
            await client.push(path="/3/device/aa", body=b'{"n":%d}' % number)
            digest = hashlib.sha256(b'{"n":%d}' % number).hexdigest()
            assert len(simulator.ledger.of_destination("aa")) == number + 1
            assert len(simulator.ledger.of_body(digest)) == 1
        assert simulator.ledger.of_destination("bb") == ()


async def test_broadcast_is_filed_under_its_channel():
    async with open_apns_simulator() as simulator, open_memory_client(simulator) as client:
        await client.push(path="/4/broadcasts/apps/com.example.shop", apns_channel_id="AAAA")
        assert len(simulator.ledger.of_destination("AAAA")) == 1


async def test_body_in_pieces_and_beyond_any_limit_is_hashed_whole():
    body = b'{"a":"' + b"x" * 40_000 + b'"}'
    async with open_apns_simulator() as simulator, open_memory_client(simulator) as client:
        assert (await client.push(body=body)).status == 413
        (entry,) = simulator.ledger.entries
        assert (entry.body_sha256, entry.bytes) == (hashlib.sha256(body).hexdigest(), len(body))


async def test_request_without_its_end_is_not_entered():
    async with open_apns_simulator() as simulator:
        async with open_memory_client(simulator) as client:
            fields = [(":method", "POST"), (":scheme", "https"), (":authority", "localhost"), (":path", "/3/device/aa")]
            await client.push()
            client.send_fields(fields, b"{", ends=False)
            await client.flush()
            await trio.testing.wait_all_tasks_blocked()
        assert [entry.destination for entry in simulator.ledger.entries] == [DEVICE]


async def test_request_that_the_client_left_behind_counts_as_processed():
    async with open_apns_simulator() as simulator:
        simulator.stall()
        async with open_memory_client(simulator) as client:
            client.request()
            await client.flush()
            await trio.testing.wait_all_tasks_blocked()
        await trio.testing.wait_all_tasks_blocked()
        (entry,) = simulator.ledger.entries
        assert (entry.status, entry.processed) == (None, True)


async def test_file_holds_the_same_entries(tmp_path):
    path = tmp_path / "ledger.ndjson"
    async with open_apns_simulator(ApnsSimulatorOptions(ledger_file=path)) as simulator:
        async with open_memory_client(simulator) as client:
            for number in range(5):
                await client.push(path=f"/3/device/{number:02x}")
        simulator.ledger.write()
        assert read_ledger(path, ApnsLedgerEntry) == list(simulator.ledger.entries)
        async with open_memory_client(simulator) as client:
            await client.push()
    assert read_ledger(path, ApnsLedgerEntry) == list(simulator.ledger.entries)
    assert len(read_ledger(path, ApnsLedgerEntry)) == 6


async def test_memory_can_be_left_to_the_file(tmp_path):
    options = ApnsSimulatorOptions(ledger_file=tmp_path / "ledger.ndjson", remembers_requests=False)
    async with open_apns_simulator(options) as simulator, open_memory_client(simulator) as client:
        await client.push()
    assert not simulator.ledger.entries
    assert len(read_ledger(tmp_path / "ledger.ndjson", ApnsLedgerEntry)) == 1
