"""P26, the journal's half: a journal that an earlier version left is upgraded in place, and nothing of it is lost."""

import pytest

from bench.simulators.apns import ApnsSimulatorOptions, open_apns_simulator
from gateway.caller import BatchRefusedError, open_caller
from gateway.clock import SystemClock
from tests.support.gateway import open_shop
from tests.support.kept_journals import (
    AUDIT,
    BACKEND,
    GONE,
    HOUR_MS,
    SILENT,
    KeptJournal,
    list_kept,
    read_results,
    tell_answer,
    unpack_journal,
)


class KeptClock(SystemClock):
    """The time an hour and a half after a journal was kept: what was scheduled in it is due, no key is old."""

    def __init__(self, kept: KeptJournal) -> None:
        self._behind_seconds = super().wall() - (kept.made_at_ms + HOUR_MS * 3 // 2) / 1000

    def wall(self) -> float:
        """Return UNIX time in seconds."""
        return super().wall() - self._behind_seconds


@pytest.fixture(params=list_kept())
def kept(request, tmp_path) -> KeptJournal:
    (tmp_path / "journal").mkdir(mode=0o700)
    return unpack_journal(request.param, tmp_path / "journal")


@pytest.fixture
async def simulator(kept):
    """An APNs that lives in the journal's time."""
    async with open_apns_simulator(ApnsSimulatorOptions(clock=KeptClock(kept))) as simulator:
        yield simulator


@pytest.fixture
async def shop(kept, simulator, tmp_path):
    """A gateway on the kept journal; its sandbox, closed when it was made, is open."""
    apns = {"sandbox_address": f"localhost:{simulator.port}"}
    async with open_shop(tmp_path, simulator, clock=KeptClock(kept), apns=apns) as shop:
        yield shop


def expected_outcomes(kept: KeptJournal) -> dict[tuple[str, int], tuple[str, str | None]]:
    """Return outcome and reason of every accepted notification that nobody had acknowledged."""
    expected: dict[tuple[str, int], tuple[str, str | None]] = {}
    for name, batch in kept.batches.items():
        rows = batch.get("notifications") or batch["targets"]
        rejected = {row["index"] for row in kept.answers[name]["rejected"]}
        for index in set(range(len(rows))) - rejected:
            expected[name, index] = "provider_accepted", None
    for name in ("finished", "named-twice"):
        expected = {row: outcome for row, outcome in expected.items() if row[0] != name}
    expected |= {
        ("later", int(name.removeprefix("later-"))): ("cancelled", "cancelled") for name in kept.cancelled["later"]
    }
    return expected | {("gone", 0): ("rejected", "dead_token"), ("reported", 0): ("unknown", "link_lost")}


async def test_everything_owed_is_sent_and_every_result_told_once_to_each_reader(kept, simulator, shop, tmp_path):
    expected = expected_outcomes(kept)
    assert len(expected) == kept.accepted_rows - kept.acknowledged_rows
    async with open_caller(f"unix:{tmp_path / 'gateway.sock'}") as auditor:
        for caller, name in ((shop.caller, BACKEND), (auditor, AUDIT)):
            reader = await caller.subscribe(subscription=name)
            results = await read_results(reader, len(expected), acknowledges=True)
            assert len(results) == len(expected)
            assert {(row.batch_id, row.index): (row.outcome, row.reason) for row in results} == expected
    sent = [entry.destination for entry in simulator.ledger.entries]
    assert len(sent) == len(set(sent)) == kept.owed_rows - 1
    assert not [token for token in sent if token.startswith((GONE, SILENT))]


async def test_every_first_answer_is_given_again_and_no_key_is_free(kept, shop):
    for name, batch in kept.batches.items():
        assert tell_answer(await shop.caller.send(batch)) == kept.answers[name]
        with pytest.raises(BatchRefusedError) as refusal:
            await shop.caller.send(batch | {"content": {"title": "Another"}})
        assert refusal.value.reason == "batch_conflict"


async def test_dead_tokens_are_told_and_finished_batches_are_known(kept, shop):
    page = await anext(await shop.caller.read_dead_tokens())
    assert [token.destination[:2] for token in page.tokens] == [GONE]
    count = await shop.caller.cancel("finished")
    assert (count.cancelled, count.too_late, count.not_found) == (0, kept.answers["finished"]["accepted"], 0)
