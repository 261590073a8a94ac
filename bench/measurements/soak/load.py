"""The caller: batches of a hundred at a steady rate, and a named subscription that reads and acknowledges.

Open loop: a batch has its moment, whatever became of those before it. A gateway that falls behind is not spared, it
finds up to `SENDERS` batches on their way at once, which then leave as fast as it answers; beyond that the rate is
missed, and the report says so.
"""

import itertools
from collections.abc import Mapping

import msgspec
import trio

from bench.measurements.soak.account import Account
from bench.measurements.whole.settings import APP
from gateway.caller import BatchRefusedError, SocketCaller, open_caller
from protocol.frames import Accepted

BATCH_ROWS = 100
# Of a hundred rows each: half of what the credits of a connection allow.
SENDERS = 100
SUBSCRIPTION = "soak"
CONTENT = {"title": "Sale", "body": "20 % off today, and only today"}


class Pace(msgspec.Struct, kw_only=True):
    """When each batch leaves, in trio's time. Bring ``until`` forward to end early."""

    began: float
    until: float
    spacing_seconds: float
    numbers: "itertools.count[int]" = msgspec.field(default_factory=itertools.count)


def set_pace(*, seconds: float, per_second: float) -> Pace:
    """Begin with the first batch at once."""
    now = trio.current_time()
    return Pace(began=now, until=now + seconds, spacing_seconds=BATCH_ROWS / per_second)


async def send_steadily(address: str, account: Account, pace: Pace) -> None:
    """Send as long as the pace says, and wait for the answers. Raises what the caller raises."""
    async with open_caller(address) as caller, trio.open_nursery() as nursery:
        for _ in range(SENDERS):
            nursery.start_soon(_send_in_turn, caller, account, pace)


async def _send_in_turn(caller: SocketCaller, account: Account, pace: Pace) -> None:
    while True:
        number = next(pace.numbers)
        await trio.sleep_until(pace.began + number * pace.spacing_seconds)
        if trio.current_time() >= pace.until:
            return
        batch_id = f"{SUBSCRIPTION}-{number}"
        account.open(batch_id, BATCH_ROWS)
        targets = [{"apns": {"token": f"{number:032x}{row:032x}"}} for row in range(BATCH_ROWS)]
        batch = {"batch_id": batch_id, "app": APP, "content": CONTENT, "targets": targets}
        answer = await _send_until_taken(caller, account, batch)
        account.note_accepted(answer.accepted, trio.current_time())


async def _send_until_taken(caller: SocketCaller, account: Account, batch: Mapping[str, object]) -> Accepted:
    """Send again what is refused for a while. Raises BatchRefusedError for a refusal that names no time."""
    while True:
        try:
            return await caller.send(batch)
        except BatchRefusedError as refusal:
            if refusal.retry_after_ms is None:
                raise
            account.refusals += 1
            await trio.sleep(refusal.retry_after_ms / 1000)


async def read_steadily(address: str, account: Account) -> None:
    """Read and acknowledge until cancelled. Raises what the caller raises."""
    async with open_caller(address) as caller:
        subscription = await caller.subscribe(subscription=SUBSCRIPTION)
        async for page in subscription:
            for block in page.blocks:
                account.note_block(block)
            subscription.acknowledge(page)
