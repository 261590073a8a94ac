"""Sending many and waiting for their results, without a terminal."""

import pytest
import trio
import trio.testing

from gateway.caller import talk_over
from gateway.cli.sending import Sending, SourceLine
from tests.support.door import make_send, open_door, settle_everything
from tests.support.sends import TOKEN

DAY_MS = 86_400_000


@pytest.fixture
def autojump_clock():
    """Jump only when nothing has moved for a moment: lines are read in a thread, unseen by trio."""
    return trio.testing.MockClock(autojump_threshold=0.05)


async def test_results_of_others_do_not_prolong_the_wait(autojump_clock: trio.testing.MockClock):
    async with open_door() as opened, talk_over(opened.connect().stream) as caller:
        opened.nursery.start_soon(settle_everything, opened.engine)
        later = {"not_before": int(opened.clock.wall() * 1000) + DAY_MS}
        sending = Sending(
            caller,
            {"app": "shop", "content": {"title": "Sale"}, "defaults": later},
            batch_rows=10,
            on_fault=lambda *_: None,
            on_result=lambda _: None,
        )
        other = await opened.greet()

        async def send_others() -> None:
            for number in range(10):
                await trio.sleep(5)
                await other.say(make_send(batch_id=f"other-{number}"))

        opened.nursery.start_soon(send_others)
        began = trio.current_time()
        await sending.run(iter([SourceLine("line 1", {"to": {"apns": {"token": TOKEN}}})]), patience_seconds=12)
        assert 12 <= trio.current_time() - began < 15
    assert (sending.totals.accepted, sending.totals.missing) == (1, 1)
