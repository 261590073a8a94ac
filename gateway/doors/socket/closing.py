"""Closing a stream so that the peer hears the last words."""

import trio

from gateway.intake.turns import TurnAccount, Turns

RECEIVE_BYTES = 64 * 1024
# Closing while bytes of the peer are unread makes TCP reset the connection, and what we said last is lost with it.
LINGER_SECONDS = 2.0


async def linger(stream: trio.abc.Stream, turns: Turns, account: TurnAccount) -> None:
    """Close our side, then read out what the peer had under way, for LINGER_SECONDS at most; closing it stays to do.

    Raises trio.BrokenResourceError when the peer is gone.
    """
    with trio.move_on_after(LINGER_SECONDS):
        if isinstance(stream, trio.abc.HalfCloseableStream):
            await stream.send_eof()
        while await stream.receive_some(RECEIVE_BYTES):
            await turns.wait_last(account)
