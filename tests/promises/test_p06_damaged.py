"""P6: a damaged journal is found out, loses at most the damaged chunk and tells it; the rest is delivered."""

from types import SimpleNamespace

import pytest
import trio

from bench.faults.damage import judge_flip, judge_log_cut, make_journal, try_flip, try_log_cut, try_truncation
from gateway.journal import encoding
from gateway.journal.sqlite.disk.commit_counter import COUNTER

pytestmark = pytest.mark.long

FLIPS = 40
TRUNCATIONS = 5


@pytest.fixture(scope="module")
def journal(tmp_path_factory):
    """Return a journal full of owed batches, as a killed gateway leaves it."""
    folder = tmp_path_factory.mktemp("damage") / "journal"
    trio.run(make_journal, folder)
    return folder


async def test_a_flipped_bit_costs_one_chunk_at_most_and_its_rows_are_told(tmp_path, journal):
    seen = [await try_flip(journal, tmp_path / f"flip-{seed}", seed) for seed in range(FLIPS)]
    assert [failure for damage in seen for failure in judge_flip(damage)] == []
    assert sum(damage.was_refused for damage in seen) > 5
    assert sum(damage.undelivered > 0 for damage in seen) > 3


async def test_a_file_that_ends_too_early_is_found_out_and_can_be_repaired(tmp_path, journal):
    for seed in range(TRUNCATIONS):
        damage = await try_truncation(journal, tmp_path / f"cut-{seed}", seed)
        assert damage.error is None
        assert damage.was_refused
        assert (damage.spoiled, damage.untold) == (0, 0)


async def test_a_log_that_ends_too_early_is_found_out_and_what_is_missing_is_told(tmp_path, journal):
    seen = [await try_log_cut(journal, tmp_path / f"log-cut-{seed}", seed) for seed in range(TRUNCATIONS)]
    assert [failure for damage in seen for failure in judge_log_cut(damage)] == []
    assert all(damage.missing_commits for damage in seen)


@pytest.mark.planted("P6", "no-count")
async def test_an_engine_that_counts_no_commits_is_found_out(tmp_path, journal):
    (journal / COUNTER).rename(journal / "not counted")
    try:
        seen = [await try_log_cut(journal, tmp_path / f"log-cut-{seed}", seed) for seed in range(TRUNCATIONS)]
    finally:
        (journal / "not counted").rename(journal / COUNTER)
    assert [failure for damage in seen for failure in judge_log_cut(damage)] != []


@pytest.mark.planted("P6", "no-sums")
async def test_an_engine_that_checks_no_sums_is_found_out(tmp_path, monkeypatch):
    monkeypatch.setattr(encoding, "zlib", SimpleNamespace(crc32=lambda data, start=0: 0))
    await make_journal(tmp_path / "journal")
    seen = [await try_flip(tmp_path / "journal", tmp_path / f"flip-{seed}", seed) for seed in range(FLIPS)]
    assert any(damage.spoiled or damage.error for damage in seen)
