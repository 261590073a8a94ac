"""The programs in docs/api.md, run as they stand against a gateway, print what the page says they print."""

import re
import sys
from pathlib import Path

import pytest
import trio

from bench.simulators.apns import (
    ApnsAnswerEvent,
    ApnsScenario,
    ApnsSimulator,
    ApnsSimulatorOptions,
    open_apns_simulator,
)
from gateway.journal.books.brake import LEAST_RESULTS, LEAST_SHARE, TIMES_USUAL
from gateway.journal.books.dead_tokens import RELEASE_AFTER_MS
from gateway.journal.books.subscriptions import SUBSCRIPTION_LIMIT
from gateway.journal.books.suspects import HELD_LIMIT_ROWS
from protocol.send.decoding import NAME_LIMIT_CHARACTERS
from protocol.timing import SINGLE_TRY_LIMIT_MS
from tests.support.api_tables import API, SOCKET
from tests.support.clocks import LeapingClock
from tests.support.gateway import Shop, open_shop

EXAMPLE = re.compile(
    r"^Example, `(?P<name>\w+)\.py`.*?^```python\n(?P<program>.*?)^```$.*?^```text\n(?P<prints>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
EXAMPLES = {found["name"]: (found["program"], found["prints"]) for found in EXAMPLE.finditer(API)}
GONE = re.compile(r'^GONE = "(\w+)"$', re.MULTILINE)
# Nobody listens there (RFC 6335: reserved), so it can't be reached.
NOWHERE = "127.0.0.1:1"


async def run_example(program: str, folder: Path) -> str:
    """Run a program in a process of its own, as a reader does, and return what it printed."""
    address = f"unix:{folder / 'gateway.sock'}"
    file = folder / "example.py"
    file.write_text(program)
    command = [sys.executable, str(file), address]
    finished = await trio.run_process(command, capture_stdout=True, capture_stderr=True, check=False)
    assert finished.returncode == 0, finished.stderr.decode()
    return finished.stdout.decode()


async def pass_a_minute(shop: Shop, clock: LeapingClock) -> None:
    """Let a minute pass as soon as there are results, so that nobody has to wait for it."""
    while shop.gateway.statistics().engine.unread_rows < 2:  # noqa: ASYNC110 - a count sets no event
        await trio.sleep(0.01)
    clock.leap(61)


def simulator_for(program: str) -> ApnsSimulatorOptions:
    """Return an APNs that answers 410 for the token that a program calls gone."""
    event = ApnsAnswerEvent(status=410, reason="Unregistered", destinations=tuple(GONE.findall(program)))
    return ApnsSimulatorOptions(scenario=ApnsScenario(events=(event,)))


async def print_example(program: str, folder: Path, simulator: ApnsSimulator) -> str:
    clock = LeapingClock()
    apns = {"production_address": f"localhost:{simulator.port}", "sandbox_address": NOWHERE}
    async with open_shop(folder, simulator, clock=clock, apns=apns) as shop, trio.open_nursery() as nursery:
        if GONE.search(program):
            nursery.start_soon(pass_a_minute, shop, clock)
        printed = await run_example(program, folder)
        nursery.cancel_scope.cancel()
    return printed


def test_each_thing_that_callers_ask_about_has_an_example():
    assert list(EXAMPLES) == ["repeat", "schedule", "expire", "cancel", "results", "cursor", "dead_tokens"]
    assert API.count("trio.run(") == len(EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
async def test_an_example_prints_what_it_says(tmp_path, name):
    program, prints = EXAMPLES[name]
    async with open_apns_simulator(simulator_for(program)) as simulator:
        assert await print_example(program, tmp_path, simulator) == prints


async def test_a_repeated_batch_was_sent_once(tmp_path):
    async with open_apns_simulator() as simulator:
        await print_example(EXAMPLES["repeat"][0], tmp_path, simulator)
        assert len(simulator.ledger.entries) == 1


async def test_the_features_that_a_gateway_tells_are_those_on_the_page(tmp_path):
    async with open_apns_simulator() as simulator, open_shop(tmp_path, simulator) as shop:
        told = shop.caller.welcome.features
    (sentence,) = re.findall(r"`features` lists what this gateway can do: (.*?)\.", SOCKET, re.DOTALL)
    assert sorted(re.findall(r"`(\w+)`", sentence)) == sorted(told)


@pytest.mark.parametrize(
    ("sentence", "figure"),
    [
        ("There are at most {} names", SUBSCRIPTION_LIMIT),
        ("There are {} named subscriptions already", SUBSCRIPTION_LIMIT),
        ("While {} % or more of an app's results", round(LEAST_SHARE * 100)),
        ("of at least {} in the last ten minutes", LEAST_RESULTS),
        ("at most {} of an app are held", HELD_LIMIT_ROWS),
        ("a text of at most {} characters", NAME_LIMIT_CHARACTERS),
        ("one try, within {} seconds", SINGLE_TRY_LIMIT_MS // 1000),
    ],
)
def test_a_figure_in_the_text_is_that_of_the_code(sentence: str, figure: int):
    assert sentence.format(f"{figure:,}") in " ".join(API.split())


def test_the_spans_that_are_written_out_are_those_of_the_code():
    text = " ".join(API.split())
    assert "five times its usual share" in text
    assert TIMES_USUAL == 5
    assert "at least a minute after the rejection" in text
    assert RELEASE_AFTER_MS == 60_000
