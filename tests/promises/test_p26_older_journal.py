"""P26, the journal's half: a journal that an earlier version left is upgraded in place, and nothing of it is lost."""

from functools import partial

import pytest

from bench.faults.kept_journals import GONE, KeptJournal, list_kept, unpack_journal
from bench.faults.older_journal import find_broken, list_outcomes, open_kept
from bench.judging.defects import plant_in_engine


@pytest.fixture(params=list_kept())
def kept(request, tmp_path) -> KeptJournal:
    (tmp_path / "journal").mkdir(mode=0o700)
    return unpack_journal(request.param, tmp_path / "journal")


async def test_first_answers_are_the_same_and_all_that_is_owed_is_sent_and_told_once_to_each_reader(kept, tmp_path):
    assert len(list_outcomes(kept)) == kept.accepted_rows - kept.acknowledged_rows
    async with open_kept(tmp_path, kept) as reopened:
        assert await find_broken(reopened, kept) == []


async def test_dead_tokens_are_told_and_finished_batches_are_known(kept, tmp_path):
    async with open_kept(tmp_path, kept) as reopened:
        page = await anext(await reopened.caller.read_dead_tokens())
        assert [token.destination[:2] for token in page.tokens] == [GONE]
        count = await reopened.caller.cancel("finished")
        assert (count.cancelled, count.too_late, count.not_found) == (0, kept.answers["finished"]["accepted"], 0)


@pytest.mark.planted("P26", "forget-keys")
async def test_a_gateway_that_forgets_keys_is_found_out(kept, tmp_path):
    async with open_kept(tmp_path, kept, partial(plant_in_engine, "forget-keys")) as reopened:
        assert await find_broken(reopened, kept) != []
