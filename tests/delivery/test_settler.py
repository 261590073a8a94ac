"""Final words on their way into the journal: grouped, aligned, committed before their chunk is let go."""

import msgspec
import pytest
import trio

from gateway.clock import TrioClock
from gateway.delivery.lanes.settle import FinalWord, Settler
from gateway.delivery.lanes.work import Work
from gateway.journal.engine import ChunkRef
from gateway.journal.leases import SOLE_LEASE
from protocol.chunks import Chunk, Variant
from protocol.outcomes import Advice, Outcome
from protocol.reasons import Reason
from tests.support.journal import make_record
from tests.support.lanes import hold_sole_lease
from tests.support.sessions import make_built

ACCEPTED = FinalWord(outcome=Outcome.PROVIDER_ACCEPTED, provider_status=200)
DEAD = FinalWord(outcome=Outcome.REJECTED, reason=Reason.DEAD_TOKEN, provider_status=410)


def make_work(number=1, rows=10, **columns):
    chunk = Chunk(
        lane="shop/apns/production",
        queue=1,
        indexes=[100, 100 + rows],
        destinations=[b"%d" % row for row in range(rows)],
        bodies=[b"{}"],
        variants=[Variant(expires_at_ms=10**13)],
        **columns,
    )
    ref = ChunkRef(
        lease=SOLE_LEASE,
        record=make_record("b", rows),
        batch=number,
        chunk=0,
        start=0,
        stop=rows,
        lane=chunk.lane,
        queue=1,
        stored_bytes=99,
    )
    return Work(ref, make_record("b", rows), chunk, built=make_built(rows), provider="apns", now=0.0)


class Committing:
    """An engine's settle, noting what it commits; fails or waits when told so."""

    def __init__(self):
        self.commits = []
        self.gate = trio.Event()
        self.gate.set()
        self.fault = None

    async def settle(self, _lease, settlements):
        await self.gate.wait()
        if self.fault is not None:
            raise self.fault
        self.commits.append(list(settlements))


@pytest.fixture
async def engine():
    return Committing()


@pytest.fixture
async def released():
    return []


@pytest.fixture
async def settler(engine, released, nursery):
    settler = Settler(engine, hold_sole_lease(), TrioClock(), delay_seconds=0.005, on_released=released.append)
    nursery.start_soon(settler.run)
    return settler


async def test_words_that_agree_are_one_block_and_ranges_that_touch_are_one_range(settler, engine, autojump_clock):
    work = make_work()
    settler.settle_ranges(work, [(4, 6), (0, 2)], ACCEPTED)
    settler.settle_rows(work, [9], DEAD)
    settler.settle_ranges(work, [(2, 4)], ACCEPTED)
    settler.settle_rows(work, [7], DEAD)
    await trio.sleep(1)
    ((accepted, dead),) = engine.commits
    assert (accepted.rows, accepted.indexes, accepted.count) == ([0, 6], [100, 106], 6)
    assert (dead.rows, dead.indexes, dead.reason) == ([7, 8, 9, 10], [107, 108, 109, 110], Reason.DEAD_TOKEN)


async def test_what_only_some_rows_have_stands_beside_its_row(settler, engine, autojump_clock):
    work = make_work(ids=[f"n{row}" for row in range(10)], tracks=[b"t" if row % 2 else None for row in range(10)])
    settler.settle_rows(work, [8], DEAD)
    settler.settle_rows(work, [3], DEAD, dead_since_ms=3333)
    settler.settle_rows(work, [5], DEAD, provider_ids={5: "five"})
    await trio.sleep(1)
    ((block,),) = engine.commits
    assert block.rows == [3, 4, 5, 6, 8, 9]
    assert block.ids == ["n3", "n5", "n8"]
    assert block.tracks == [b"t", b"t", None]
    assert block.dead_since_ms == [3333, None, None]
    assert block.provider_ids == [None, "five", None]


async def test_columns_that_no_row_has_are_left_out(settler, engine, autojump_clock):
    settler.settle_rows(make_work(), [1], DEAD)
    await trio.sleep(1)
    ((block,),) = engine.commits
    assert (block.ids, block.tracks, block.dead_since_ms, block.provider_ids) == (None, None, None, None)


async def test_words_wait_for_company_only_as_long_as_set(settler, engine, autojump_clock):
    works = [make_work(number) for number in (1, 2)]
    settler.settle_rows(works[0], [0], ACCEPTED)
    await trio.sleep(0.004)
    settler.settle_rows(works[1], [0], ACCEPTED)
    assert not engine.commits
    await trio.sleep(0.002)
    assert [[block.batch for block in commit] for commit in engine.commits] == [[1, 2]]


async def test_nothing_is_committed_when_there_is_nothing(settler, engine, autojump_clock):
    works = [make_work(number) for number in (1, 2)]
    settler.settle_rows(works[0], [0], ACCEPTED)
    await trio.sleep(0.004)
    settler.settle_rows(works[1], [0], ACCEPTED)
    await trio.sleep(1)
    assert len(engine.commits) == 1


async def test_a_chunk_is_released_after_the_commit_of_its_last_row(settler, engine, released, autojump_clock):
    work = make_work()
    settler.settle_ranges(work, [(0, 9)], ACCEPTED)
    await trio.sleep(1)
    assert (released, work.open_rows) == ([], 1)
    engine.gate = trio.Event()
    settler.settle_rows(work, [9], DEAD)
    await trio.sleep(1)
    assert released == []
    engine.gate.set()
    await trio.sleep(1)
    assert released == [work]


async def test_words_that_come_during_a_commit_go_into_the_next_one(settler, engine, autojump_clock):
    work = make_work()
    engine.gate = trio.Event()
    settler.settle_rows(work, [0], ACCEPTED)
    await trio.sleep(1)
    settler.settle_rows(work, [1], ACCEPTED)
    engine.gate.set()
    await trio.sleep(1)
    assert [[block.rows for block in commit] for commit in engine.commits] == [[[0, 1]], [[1, 2]]]


async def test_an_engine_that_fails_is_raised_and_nothing_is_released(autojump_clock):
    engine, released = Committing(), []
    engine.fault = OSError("the disk is gone")
    settler = Settler(engine, hold_sole_lease(), TrioClock(), delay_seconds=0.005, on_released=released.append)
    settler.settle_ranges(make_work(), [(0, 10)], ACCEPTED)
    with pytest.raises(OSError, match="the disk is gone"):
        await settler.run()
    assert released == []


async def test_its_repr_tells_how_much_waits(settler):
    settler.settle_rows(make_work(), [0], ACCEPTED)
    assert repr(settler) == "<Settler 1 blocks waiting>"


async def test_destinations_come_with_the_advice_to_delete_them_and_with_no_other(settler, engine, autojump_clock):
    work = make_work(rows=3)
    settler.settle_rows(work, [0], msgspec.structs.replace(DEAD, advice=Advice.DELETE_PENDING))
    settler.settle_rows(work, [2], msgspec.structs.replace(DEAD, advice=Advice.DELETE_PENDING))
    settler.settle_rows(work, [1], DEAD)
    await trio.sleep(1)
    ((dead, other),) = engine.commits
    assert (dead.indexes, dead.destinations) == ([100, 101, 102, 103], [b"0".hex(), b"2".hex()])
    assert other.destinations is None
