"""P24: under steady load, with results read and acknowledged, memory and descriptors stay where they are."""

import tempfile
from pathlib import Path

import pytest
import trio

from bench.measurements.soak import SoakFigures, SoakOptions, soak_engine

pytestmark = pytest.mark.long

# What a machine that runs other tests beside surely does: the rate is that of the long form's round, not of this one.
OPTIONS = SoakOptions(seconds=24.0, per_second=2_000, sample_seconds=0.2)
ENGINES = ("sqlite", "memory")


@pytest.fixture(scope="module")
def soaks() -> dict[str, SoakFigures]:
    """Return what each engine's gateway did, side by side, and one that keeps something of every chunk."""
    seen = {}

    async def soak(name: str, engine: str, plant: str | None = None) -> None:
        with tempfile.TemporaryDirectory(prefix="pushmill-soak-") as folder:
            seen[name] = await soak_engine(OPTIONS, engine, Path(folder), plant=plant)

    async def soak_all() -> None:
        async with trio.open_nursery() as nursery:
            for engine in ENGINES:
                nursery.start_soon(soak, engine, engine)
            nursery.start_soon(soak, "keep-chunks", "memory", "keep-chunks")

    trio.run(soak_all)
    return seen


def find_misses(seen: SoakFigures) -> list[str]:
    return [miss for miss in seen.find_misses() if "demanded" not in miss]


@pytest.mark.parametrize("engine", ENGINES)
def test_nothing_grows_and_nothing_is_lost(soaks, engine):
    seen = soaks[engine]
    assert seen.retried > 100
    assert find_misses(seen) == []


@pytest.mark.planted("P24", "keep-chunks")
def test_a_gateway_that_keeps_something_of_every_chunk_is_found_out(soaks, defect):
    (miss,) = find_misses(soaks[defect])
    assert "memory grew" in miss
