from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.delivery.lanes.fair_queue import FairQueue
from gateway.journal.engine import ChunkRef
from gateway.journal.leases import SOLE_LEASE
from tests.support.journal import make_record

URGENT, NORMAL, BULK = range(3)


def chunk(number: int, *, queue: int = NORMAL, principal: str = "default", rows: int = 100) -> ChunkRef:
    return ChunkRef(
        lease=SOLE_LEASE, record=make_record("b", rows, principal), batch=number, chunk=0, start=0, stop=rows,
        lane="shop/apns/production", queue=queue, stored_bytes=5000,
    )  # fmt: skip


def filled(*chunks: ChunkRef) -> FairQueue:
    queue = FairQueue()
    for ref in chunks:
        queue.push(ref)
    return queue


def test_the_same_queue_of_the_same_caller_keeps_its_order():
    queue = filled(*(chunk(number) for number in range(50)))
    assert [queue.pop().batch for _ in range(50)] == list(range(50))


def test_queues_that_all_wait_share_seventy_twentyfive_five():
    queue = filled(*(chunk(number, queue=which) for which in (BULK, NORMAL, URGENT) for number in range(1000)))
    shares = Counter(queue.pop().queue for _ in range(1000))
    assert shares == pytest.approx({URGENT: 700, NORMAL: 250, BULK: 50}, abs=2)


def test_an_urgent_chunk_passes_a_million_bulk_rows_that_were_there_first():
    queue = filled(*(chunk(number, queue=BULK) for number in range(10_000)))
    for _ in range(500):
        queue.pop()
    queue.push(chunk(77, queue=URGENT))
    # At once, or behind one bulk chunk whose turn had already come.
    assert URGENT in {queue.pop().queue, queue.pop().queue}


def test_a_queue_that_waits_alone_gets_everything():
    queue = filled(*(chunk(number, queue=BULK) for number in range(10)))
    assert [queue.pop().batch for _ in range(10)] == list(range(10))


def test_callers_share_by_rows_however_much_each_has_queued():
    noisy = [chunk(number, principal="noisy", rows=100) for number in range(1000)]
    quiet = [chunk(number, principal="quiet", rows=10) for number in range(200)]
    queue = filled(*noisy, *quiet)
    rows: Counter[str] = Counter()
    for _ in range(220):
        ref = queue.pop()
        rows[ref.principal] += ref.stop - ref.start
    assert rows["quiet"] == pytest.approx(rows["noisy"], abs=100)


def test_a_caller_that_was_quiet_has_saved_up_no_claim():
    queue = filled(*(chunk(number, principal="busy") for number in range(1000)))
    for _ in range(500):
        queue.pop()
    for number in range(500):
        queue.push(chunk(number, principal="late"))
    shares = Counter(queue.pop().principal for _ in range(100))
    assert shares == pytest.approx({"busy": 50, "late": 50}, abs=1)


def test_popping_an_empty_queue_is_an_error():
    with pytest.raises(ValueError, match="empty"):
        FairQueue().pop()


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 2), st.integers(1, 100))))
def test_everything_pushed_is_popped_exactly_once(pushed):
    refs = [chunk(at, queue=q, principal=who, rows=rows) for at, (who, q, rows) in enumerate(pushed)]
    queue = filled(*refs)
    assert queue.rows == sum(ref.stop for ref in refs)
    popped = []
    while queue:
        popped.append(queue.pop())
    assert sorted(ref.batch for ref in popped) == list(range(len(refs)))
    assert queue.rows == 0
