"""When the garbage collector runs: never of itself over what is old, and sooner or later over everything."""

import gc
import weakref

import pytest
import trio

from gateway.collecting import YOUNG_OBJECTS, collect_when_idle, collecting_the_young_only


class Node:
    """Garbage that only a collection can find: it refers to itself."""

    def __init__(self):
        self.itself = self


@pytest.fixture
def only_young():
    with collecting_the_young_only():
        yield


@pytest.mark.usefixtures("only_young")
def test_young_cycles_go_as_others_come():
    found = weakref.ref(Node())
    kept = [[] for _ in range(2 * YOUNG_OBJECTS)]
    assert found() is None
    assert len(kept) == 2 * YOUNG_OBJECTS


@pytest.mark.usefixtures("only_young")
def test_the_old_are_not_looked_at_by_themselves():
    before = [each["collections"] for each in gc.get_stats()[1:]]
    kept = [[] for _ in range(200_000)]
    assert [each["collections"] for each in gc.get_stats()[1:]] == before
    assert len(kept) == 200_000


@pytest.mark.usefixtures("only_young")
async def test_old_cycles_go_while_nothing_is_owed_and_late_while_work_never_ends(autojump_clock):
    is_idle = False

    def make_old_garbage():
        node = Node()
        found = weakref.ref(node)
        gc.collect(0)  # while it is referred to: from here on it is old
        del node
        return found

    async with trio.open_nursery() as nursery:
        nursery.start_soon(collect_when_idle, lambda: is_idle)
        found = make_old_garbage()
        await trio.sleep(300)
        assert found() is not None
        is_idle = True
        await trio.sleep(61)
        assert found() is None
        is_idle = False
        found = make_old_garbage()
        await trio.sleep(1900)
        assert found() is None
        nursery.cancel_scope.cancel()


def test_everything_is_as_it_was_afterwards():
    before = gc.get_threshold()
    with collecting_the_young_only():
        assert gc.get_threshold() != before
        assert gc.get_freeze_count() > 0
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0
