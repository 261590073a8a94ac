"""What callers and operators see of the journal: a refusal when it is full, a line when it can't go on."""

import errno
import sys

import pytest
import trio

from bench.faults.shim import FaultShim, Rule
from bench.judging.processes import start_child, wait_for_socket
from bench.simulators.apns import open_apns_simulator
from gateway.caller import BatchRefusedError, CallerError, open_caller
from tests.support.gateway import alert_batch, device_tokens, open_shop, start_gateway, write_config
from tests.support.patience import HANG_SECONDS

SMALL = {"journal": {"most_bytes": 64 * 1024 * 1024}, "limits": {"queued_bytes": 32 * 1024 * 1024}}


async def send_large(shop):
    for start in range(0, 100_000, 1_000):
        tokens = device_tokens(1_000, start=start)
        content = [{"title": token, "body": "x" * 3_500} for token in tokens]
        notifications = [
            {"to": {"apns": {"token": token}}, "content": each} for token, each in zip(tokens, content, strict=True)
        ]
        await shop.send({"app": "shop", "notifications": notifications})


async def send_one_by_one(address):
    async with open_caller(address) as caller:
        for start in range(100):
            await caller.send(alert_batch(device_tokens(1, start=start)))


async def test_a_full_journal_refuses_with_its_own_word_and_says_when_to_come_back(tmp_path):
    async with open_apns_simulator() as simulator, open_shop(tmp_path, simulator, **SMALL) as shop:
        simulator.stall()
        with pytest.raises(BatchRefusedError) as refusal:
            await send_large(shop)
        assert refusal.value.reason == "journal_unavailable"
        assert refusal.value.retry_after_ms >= 1000
        assert str(tmp_path) not in str(refusal.value)


async def test_a_journal_that_another_gateway_has_ends_the_second_one_with_a_line(tmp_path):
    async with open_apns_simulator() as simulator, start_gateway(tmp_path, simulator) as first:
        (tmp_path / "second").mkdir()
        config = write_config(tmp_path / "second", simulator, journal={"directory": str(tmp_path / "journal")})
        done = await trio.run_process(
            [sys.executable, "-m", "gateway.cli", "serve", "--config", str(config)], check=False, capture_stderr=True
        )
    assert done.returncode == 1
    assert (
        f"pushmill: {tmp_path / 'journal'}: in use by another gateway (process {first.process_id})"
        in done.stderr.decode()
    )


async def test_a_flush_that_fails_ends_the_gateway_with_a_line_and_an_exit_code(tmp_path):
    async with open_apns_simulator() as simulator:
        config = write_config(tmp_path, simulator)
        rule = Rule("sync", "journal.db-wal", 4, "error", errno.EIO)
        (tmp_path / "journal").mkdir(mode=0o700)
        command = FaultShim(folder=tmp_path / "journal", rules=[rule]).wrap(
            [sys.executable, "-m", "gateway.cli", "serve", "--config", str(config)]
        )
        async with start_child("gateway", command, tmp_path / "gateway.log", has_output=False) as child:
            await wait_for_socket(tmp_path / "gateway.sock", child, patience_seconds=HANG_SECONDS)
            with pytest.raises(CallerError):
                await send_one_by_one(f"unix:{tmp_path / 'gateway.sock'}")
            with trio.fail_after(HANG_SECONDS):
                code = await child.wait()
    assert code == 1
    assert "journal.db: can't be written: disk I/O error; nothing more is accepted or sent" in child.last_words()
