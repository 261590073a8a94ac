"""Connects to one of several addresses: the next one is tried before the last has given up (RFC 8305, section 5).

A dead address keeps its caller waiting for a minute, and a live one answers within a round trip.
"""

from collections.abc import Callable, Sequence
from itertools import chain, zip_longest

import trio

from gateway.errors import find_root

NEXT_AFTER_SECONDS = 0.25  # RFC 8305 section 8: recommended between two attempts
MOST_ADDRESSES = 8  # whoever answers for a name chooses how many there are


class NoConnectionError(Exception):
    """No address took the connection; the message names each with its fault."""


class _Race:
    def __init__(self, port: int) -> None:
        self.port = port
        self.winner: tuple[str, trio.SocketStream] | None = None
        self.faults: list[str] = []


def interleave_families(addresses: Sequence[str]) -> list[str]:
    """Return the first addresses in their order, IPv4 and IPv6 by turns: one of them may lead nowhere (RFC 8305)."""
    families: dict[bool, list[str]] = {}
    for address in addresses:
        families.setdefault(":" in address, []).append(address)
    turns = chain.from_iterable(zip_longest(*families.values()))
    return [address for address in turns if address is not None][:MOST_ADDRESSES]


async def connect_to_first(
    addresses: Sequence[str], port: int, on_try: Callable[[str], None]
) -> tuple[str, trio.SocketStream]:
    """Return the first address that takes a connection, and the connection; ``on_try`` hears each before it is tried.

    Addresses are tried in their order, each 250 ms after the one before, or at once when that one failed. Raises
    NoConnectionError. Takes as long as the caller lets it.
    """
    race = _Race(port)
    try:
        async with trio.open_nursery() as nursery:
            for address in addresses:
                failed = trio.Event()
                on_try(address)
                nursery.start_soon(_try, race, address, failed, nursery.cancel_scope)
                with trio.move_on_after(NEXT_AFTER_SECONDS):
                    await failed.wait()
    except BaseException:
        if race.winner is not None:
            await trio.aclose_forcefully(race.winner[1])
        raise
    if race.winner is None:
        raise NoConnectionError("; ".join(race.faults))
    return race.winner


async def _try(race: _Race, address: str, failed: trio.Event, others: trio.CancelScope) -> None:
    try:
        stream = await trio.open_tcp_stream(address, race.port)
    except OSError as error:
        race.faults.append(f"({address}): {find_root(error)}")
        failed.set()
        return
    if race.winner is not None:
        await trio.aclose_forcefully(stream)
        return
    race.winner = (address, stream)
    others.cancel()
