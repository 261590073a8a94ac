"""How `pushmill` ends where standard output can't be written, and on Ctrl-C: in one line, with its own exit code."""

import fcntl
import os
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from gateway.cli.output import Output, OutputError, find_output_error
from tests.support.tree import ROOT

COMMAND = [sys.executable, "-m", "gateway.cli"]
PIPE_CLOSED = "nobody reads standard output any more"
WORDS = [["--help"], ["send", "--help"], ["check-config", "--config", "{folder}/none.toml", "--json"]]


def run(words: list[str], folder: Path, stdout: int) -> subprocess.CompletedProcess[bytes]:
    command = [*COMMAND, *(word.format(folder=folder) for word in words)]
    return subprocess.run(command, cwd=ROOT, stdout=stdout, stderr=subprocess.PIPE, check=False)  # noqa: S603 - our own


def count_unread(pipe: int) -> int:
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, b"\0" * 4), sys.byteorder)


@pytest.mark.long
@pytest.mark.parametrize("words", WORDS)
def test_a_full_disk_and_a_reader_that_has_gone_end_in_one_line(words: list[str], tmp_path: Path):
    with Path("/dev/full").open("wb") as full:
        on_full = run(words, tmp_path, full.fileno())
    reading, writing = os.pipe()
    os.close(reading)
    unread = run(words, tmp_path, writing)
    os.close(writing)
    assert (on_full.returncode, unread.returncode) == (74, 141)
    assert (
        on_full.stderr.decode().splitlines()[-1].endswith("standard output can't be written: No space left on device")
    )
    assert unread.stderr.decode().splitlines()[-1].endswith(PIPE_CLOSED)
    assert b"Traceback" not in on_full.stderr + unread.stderr


@pytest.mark.long
def test_a_key_whose_public_half_could_not_be_printed_is_not_left_behind(tmp_path: Path):
    with Path("/dev/full").open("wb") as full:
        done = run(["vapid-keys", "--out", "{folder}/vapid.pem"], tmp_path, full.fileno())
    assert done.returncode == 74
    assert list(tmp_path.iterdir()) == []


@pytest.mark.long
def test_ctrl_c_ends_a_command_that_waits_for_its_input_in_one_line(tmp_path: Path):
    words = ["send", "--app", "shop", "--address", f"unix:{tmp_path}/none.sock", "--file", "-", "--format", "csv"]
    reading, writing = os.pipe()
    process = subprocess.Popen([*COMMAND, *words], cwd=ROOT, stdin=reading, stderr=subprocess.PIPE)  # noqa: S603 - our own
    os.write(writing, b"token,tit")  # half a header
    while count_unread(reading):
        time.sleep(0.01)  # until it is at work, and has read that
    os.close(reading)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate()
    os.close(writing)
    assert process.returncode == 130
    assert told.decode() == "pushmill send: interrupted\n"


def test_an_error_of_the_output_is_found_in_groups():
    error = OutputError(28)
    assert find_output_error(ExceptionGroup("", [ValueError(), ExceptionGroup("", [error])])) is error
    assert find_output_error(ExceptionGroup("", [OSError(28, "other")])) is None


def test_what_is_printed_goes_through_and_python_has_its_own_streams_again(capfd: pytest.CaptureFixture[str]):
    before = sys.stdout
    with Output().in_use():
        sys.stdout.write("caf\udce9 ✓\n")
    assert sys.stdout is before
    assert capfd.readouterr().out == "caf\\udce9 ✓\n"
