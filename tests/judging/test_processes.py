"""Children are started, listened to, and always ended."""

import os
import sys
from pathlib import Path

import pytest
import trio

from bench.judging.processes import ChildError, start_child, wait_for_socket
from tests.support.patience import HANG_SECONDS


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "child.log"


async def test_lines_arrive_whole(log: Path):
    code = "import sys; print('one'); sys.stdout.flush(); print('two'); print('unfinished', end='')"
    async with start_child("child", python(code), log) as child:
        assert [await child.read_line() for _ in range(3)] == [b"one", b"two", None]


async def test_an_endless_line_is_an_error(log: Path):
    async with start_child("child", python("print('x' * 100_000)"), log) as child:
        with pytest.raises(ChildError, match="line"):
            await child.read_line()


async def test_a_child_ends_with_the_block(log: Path):
    async with start_child("child", python("import time; print('up', flush=True); time.sleep(60)"), log) as child:
        await child.read_line()
        assert not child.has_ended
    assert child.has_ended
    assert "SIGTERM" in child.describe_end()


async def test_a_child_that_ignores_sigterm_is_killed(log: Path):
    code = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    async with start_child("child", python(code), log) as child:
        await child.read_line()
        await child.stop(patience_seconds=0.1)
        assert "SIGKILL" in child.describe_end()


async def test_a_cancelled_block_ends_its_child(log: Path):
    with trio.CancelScope() as scope:
        async with start_child("child", python("import time; time.sleep(60)"), log) as child:
            scope.cancel()
            await trio.sleep_forever()
    assert child.has_ended


async def test_the_end_of_a_child_is_told_with_its_last_words(log: Path):
    code = "import sys; [print(n, file=sys.stderr) for n in range(100)]; sys.exit('out of wit')"
    async with start_child("child", python(code), log) as child:
        assert await child.wait() == 1
    told = child.describe_end()
    assert "the child ended with exit code 1" in told
    assert told.endswith("out of wit")
    assert " 80\n" not in told


async def test_settings_for_the_users_own_gateway_do_not_reach_a_child(log: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PUSHMILL_LOG__LEVEL", "debug")
    code = "import os; print([name for name in os.environ if name.startswith('PUSHMILL_')])"
    async with start_child("child", python(code), log) as child:
        assert await child.read_line() == b"[]"


async def test_ctrl_c_does_not_reach_a_child(log: Path):
    async with start_child("child", python("import os; print(os.getpgrp())"), log) as child:
        line = await child.read_line()
    assert line is not None
    assert int(line) != os.getpgrp()


async def test_waiting_for_a_socket_ends_with_the_child(tmp_path: Path, log: Path):
    async with start_child("gateway", python("raise SystemExit('no key')"), log) as child:
        with pytest.raises(ChildError, match="no key"):
            await wait_for_socket(tmp_path / "gateway.sock", child, patience_seconds=HANG_SECONDS)
