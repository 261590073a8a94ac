"""Has the engine release dead tokens when their time has come, and tells of those that it holds back."""

import trio

from gateway.clock import Clock
from gateway.journal.engine import Engine
from gateway.telemetry.listener import DeliveryListener

# How much later than they might suspects are released; nobody waits for them.
RELEASE_INTERVAL_SECONDS = 1.0


async def release_dead_tokens(engine: Engine, clock: Clock, listener: DeliveryListener) -> None:
    """Go on until cancelled."""
    while True:
        await trio.sleep(RELEASE_INTERVAL_SECONDS)
        for held in await engine.dead_tokens.release(int(clock.wall() * 1000)):
            listener.dead_tokens_held(
                held.app,
                held=held.held,
                discarded=held.discarded,
                recent_results=held.recent_results,
                recent_dead=held.recent_dead,
            )
