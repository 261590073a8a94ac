"""`pushmill send` as a process, against a door whose provider takes everything."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
import trio
import typer
from typer.testing import CliRunner

from gateway.cli.send import send as send_command
from protocol.chunks import decode_chunk
from tests.support.door import OpenDoor, open_door, settle_everything, unix
from tests.support.patience import HANG_SECONDS
from tests.support.sends import TOKEN
from tests.support.tree import ROOT
from tests.support.webpush_sends import subscription

COMMAND = [sys.executable, "-c", "import typer; from gateway.cli.send import send; typer.run(send)", "--app", "shop"]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "120"}
SUBSCRIPTION = json.dumps(subscription(expirationTime=None)["webpush"])
PUSH_SERVICE = "shop/webpush/https://updates.push.services.mozilla.com"
COMMAND_LINE = typer.Typer(rich_markup_mode="markdown")
COMMAND_LINE.command()(send_command)


def quote_cell(text: str) -> str:
    """Return a text as one cell of a CSV file."""
    return '"' + text.replace('"', '""') + '"'


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[OpenDoor]:
    async with open_door(unix(folder)) as opened:
        opened.nursery.start_soon(settle_everything, opened.engine)
        yield opened


async def send(opened: OpenDoor | None, *options: str, stdin: str | bytes = "") -> subprocess.CompletedProcess[bytes]:
    address = [] if opened is None else ["--address", opened.addresses[0]]
    return await trio.run_process(
        [*COMMAND, *address, *options],
        stdin=stdin.encode() if isinstance(stdin, str) else stdin,
        capture_stdout=True,
        capture_stderr=True,
        check=False,
        env=ENVIRONMENT,
    )


async def test_one_notification_and_its_result(tmp_path: Path):
    async with serving(tmp_path) as opened:
        done = await send(opened, "--apns-token", TOKEN, "--title", "Hello", "--id", "n1", "--json")
    assert done.returncode == 0, done.stderr
    (result,) = map(json.loads, done.stdout.splitlines())
    assert (result["id"], result["outcome"]) == ("n1", "provider_accepted")


@pytest.mark.parametrize(
    ("options", "lane"),
    [
        (["--fcm-token", "c8:x"], "shop/fcm/shop-1"),
        (["--fcm-condition", "'a' in topics && 'b' in topics"], "shop/fcm/shop-1/topics"),
        (["--webpush-subscription", SUBSCRIPTION, "--vapid-key", "older"], PUSH_SERVICE),
        (["--webpush-subscription", "subscription.json"], PUSH_SERVICE),
    ],
)
async def test_one_notification_to_each_provider(tmp_path: Path, monkeypatch, options: list[str], lane: str):
    (tmp_path / "subscription.json").write_text(SUBSCRIPTION)
    monkeypatch.chdir(tmp_path)
    async with open_door(unix(tmp_path)) as opened:  # nobody delivers
        done = await send(opened, *options, "--title", "Hello", "--no-wait")
        assert done.returncode == 0, done.stderr
        (stored,) = await opened.engine.read(await opened.engine.lease(1))
        assert decode_chunk(stored).lane == lane


async def test_a_file_may_mix_the_providers_and_the_table_tells_them_apart(tmp_path: Path):
    rows = tmp_path / "rows.csv"
    rows.write_text(f"token,fcm_token,subscription\n{TOKEN},,\n,c8:x,\n,,{quote_cell(SUBSCRIPTION)}\n")
    async with serving(tmp_path) as opened:
        done = await send(opened, "--file", str(rows), "--title", "Sale")
    assert done.returncode == 0, done.stderr
    table = [line for line in done.stdout.decode().splitlines() if "provider_accepted" in line]
    assert sorted(line.split()[1] for line in table) == ["apns", "fcm", "webpush"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--apns-token", TOKEN, "--fcm-token", "c8:x"], "--apns-token and --fcm-token"),
        (["--fcm-token", "c8:x", "--vapid-key", "x"], "webpush destination"),
        (["--fcm-token", "c8:x", "--environment", "sandbox"], "apns destination"),
        (["--webpush-subscription", "none.json"], "No such file"),
        (["--webpush-subscription", '{"canary'], "not a JSON object"),
        (["--webpush-subscription", '{"endpoint": "canary"}'], "to.webpush.keys"),
        (["--fcm-token", "c8:x", "--file", "rows.csv"], "not both"),
    ],
)
def test_destinations_that_cannot_be_meant_are_wrong_use(options: list[str], words: str):
    result = CliRunner().invoke(COMMAND_LINE, ["--app", "shop", "--title", "x", *options], env={"COLUMNS": "400"})
    assert result.exit_code == 2
    assert words in result.output
    assert "canary" not in result.output


async def test_a_file_with_faults_names_them_and_sends_the_rest(tmp_path: Path):
    rows = tmp_path / "rows.csv"
    rows.write_text(f"token,ttl\n{TOKEN},5\nzz,5\n{TOKEN},soon\n{TOKEN},\n")
    async with serving(tmp_path) as opened:
        done = await send(opened, "--file", str(rows), "--title", "Sale")
    assert done.returncode == 1
    assert f"{rows}:3: invalid_token: to.apns.token" in done.stderr.decode()
    assert f"{rows}:4: ttl: not a whole number" in done.stderr.decode()
    table = done.stdout.decode()
    assert "provider_accepted" in table
    assert "rejected at the door" in table
    assert "not a notification" in table


def make_lines(count: int, bad: dict[int, bytes]) -> bytes:
    """Return so many lines of NDJSON, those of the numbers in ``bad`` replaced."""
    good = [
        json.dumps({"id": f"n{number}", "to": {"apns": {"token": TOKEN}}}).encode() for number in range(1, count + 1)
    ]
    return b"".join(bad.get(number, line) + b"\n" for number, line in enumerate(good, start=1))


HALF_EMOJI = json.dumps({"to": {"apns": {"token": TOKEN}}, "content": {"title": "cut \ud83d"}}).encode()
LATIN_1 = b'{"to": {"apns": {"token": "%b"}}, "content": {"title": "caf\xe9"}}' % TOKEN.encode()


@pytest.mark.parametrize("is_piped", [False, True])
async def test_bad_lines_among_many_are_named_and_every_other_one_is_sent(tmp_path: Path, is_piped: bool):
    path, lines = tmp_path / "in.ndjson", make_lines(1000, {900: HALF_EMOJI, 901: LATIN_1, 902: b'{"id": "d",'})
    path.write_bytes(lines)
    source = ["--file", "-"] if is_piped else ["--file", str(path)]
    async with serving(tmp_path) as opened:
        done = await send(opened, *source, "--body", "x", "--json", "--batch-size", "100", stdin=lines)
    assert done.returncode == 1
    name = "stdin" if is_piped else str(path)
    faults = [f"{name}:900: content.title: half", f"{name}:901: not UTF-8", f"{name}:902: not JSON"]
    told = done.stderr.decode().splitlines()
    assert [line.startswith(fault) for line, fault in zip(told, faults, strict=True)] == [True] * 3, told
    rows = {row["line"]: row for row in map(json.loads, done.stdout.splitlines())}
    assert set(rows) == {f"{name}:{number}" for number in range(1, 1001)}
    assert Counter(row["outcome"] for row in rows.values()) == {"provider_accepted": 997, "not_sent": 3}
    assert (rows[f"{name}:900"]["reason"], rows[f"{name}:900"]["detail"]) == ("malformed", told[0].split(": ", 1)[1])


async def test_json_has_a_row_for_what_the_door_rejects_and_for_a_batch_that_it_refuses(tmp_path: Path):
    lines = make_lines(4, {2: b'{"id": "bad", "to": {"apns": {"token": "zz"}}}'})
    async with serving(tmp_path) as opened:
        rejected = await send(opened, "--file", "-", "--body", "x", "--json", stdin=lines)
        options = ["--file", "-", "--body", "x", "--json", "--label", "x" * 65]
        refused = await send(opened, *options, stdin=lines)
    assert (rejected.returncode, refused.returncode) == (1, 1)
    rows = sorted(map(json.loads, rejected.stdout.splitlines()), key=lambda row: row["index"])
    assert [row["outcome"] for row in rows] == ["provider_accepted", "refused", *["provider_accepted"] * 2]
    bad = {name: rows[1][name] for name in ("id", "index", "provider", "reason", "field", "line")}
    assert bad == {
        "id": "bad",
        "index": 1,
        "provider": "apns",
        "reason": "invalid_token",
        "field": "to.apns.token",
        "line": "stdin:2",
    }
    rows = [*map(json.loads, refused.stdout.splitlines())]
    assert [row["id"] for row in rows] == ["n1", "bad", "n3", "n4"]
    assert {(row["outcome"], row["reason"], row["field"]) for row in rows} == {("refused", "malformed", "labels[0]")}


async def test_json_has_a_row_for_what_was_accepted_or_has_no_result(tmp_path: Path):
    async with open_door(unix(tmp_path)) as opened:  # nobody delivers
        options = ["--apns-token", TOKEN, "--title", "x", "--json"]
        accepted = await send(opened, *options, "--no-wait")
        late = await send(opened, *options, "--timeout", "0.1")
    outcomes = [json.loads(done.stdout)["outcome"] for done in (accepted, late)]
    assert outcomes == ["accepted", "no_result"]


async def test_moments_by_option_are_iso_8601_with_a_zone_or_milliseconds(tmp_path: Path):
    to = ["--apns-token", TOKEN, "--title", "x"]
    async with serving(tmp_path) as opened:
        now = opened.clock.wall()
        at = datetime.fromtimestamp(now + 3600, UTC)
        good = await send(opened, *to, "--expires-at", at.isoformat(), "--not-before", str(int(now * 1000)))
        naive = await send(opened, *to, "--not-before", at.replace(tzinfo=None).isoformat())
        seconds = await send(opened, *to, "--not-before", str(int(now)))
    assert (good.returncode, naive.returncode, seconds.returncode) == (0, 2, 1), good.stderr
    assert b"a time without a zone" in naive.stderr
    assert b"not_before: in UNIX milliseconds; this looks like seconds" in seconds.stderr


async def test_many_from_a_pipe(tmp_path: Path):
    lines = "".join(json.dumps({"id": f"n{number}", "to": {"apns": {"token": TOKEN}}}) + "\n" for number in range(2500))
    async with serving(tmp_path) as opened:
        done = await send(opened, "--file", "-", "--body", "x", "--json", stdin=lines)
    assert done.returncode == 0, done.stderr
    assert {json.loads(line)["id"] for line in done.stdout.splitlines()} == {f"n{number}" for number in range(2500)}


async def test_without_waiting_it_ends_with_the_gateways_word(tmp_path: Path):
    async with open_door(unix(tmp_path)) as opened:  # nobody delivers
        done = await send(opened, "--apns-token", TOKEN, "--title", "x", "--no-wait")
        late = await send(opened, "--apns-token", TOKEN, "--title", "x", "--timeout", "0.1")
    assert (done.returncode, late.returncode) == (0, 1)
    assert "no result yet" in late.stdout.decode()


async def test_exit_codes_tell_wrong_use_from_no_gateway(tmp_path: Path):
    nowhere = ["--address", f"unix:{tmp_path / 'none.sock'}"]
    unreachable = await send(None, *nowhere, "--apns-token", TOKEN, "--title", "x")
    assert unreachable.returncode == 3
    assert "none.sock" in unreachable.stderr.decode()
    assert b"Traceback" not in unreachable.stderr


@pytest.mark.parametrize(
    "options",
    [["--title", "x"], ["--apns-token", TOKEN, "--urgency", "extreme"], ["--file", "none.csv"]],
    ids=["no_destination", "unknown_urgency", "no_such_file"],
)
def test_wrong_use_has_an_exit_code_of_its_own(options: list[str]):
    result = CliRunner().invoke(COMMAND_LINE, ["--app", "shop", "--address", "unix:none.sock", *options])
    assert result.exit_code == 2
    assert "Traceback" not in result.output


async def test_interrupting_ends_it_clean(tmp_path: Path):
    async with open_door(unix(tmp_path)) as opened:
        command = [*COMMAND, "--address", opened.addresses[0], "--apns-token", TOKEN, "--title", "x"]
        with trio.fail_after(HANG_SECONDS):
            async with trio.open_nursery() as nursery:
                run = partial(trio.run_process, command, check=False, capture_stderr=True, env=ENVIRONMENT)
                process = await nursery.start(run)
                await opened.engine.lease(1)  # it is sent, and nobody delivers
                process.send_signal(signal.SIGINT)
    assert process.returncode == 130


async def test_interrupting_while_a_pipe_is_silent_ends_it_clean(tmp_path: Path):
    line = json.dumps({"to": {"apns": {"token": TOKEN}}}).encode() + b"\n"
    async with open_door(unix(tmp_path)) as opened:
        options = ["--address", opened.addresses[0], "--title", "x", "--file", "-", "--batch-size", "1"]
        async with trio.open_nursery() as nursery:
            process = await nursery.start(
                partial(trio.run_process, [*COMMAND, *options], check=False, stdin=subprocess.PIPE, env=ENVIRONMENT)
            )
            await process.stdin.send_all(line)
            await opened.engine.lease(1)
            process.send_signal(signal.SIGINT)
            await process.wait()
            await process.stdin.aclose()
    assert process.returncode == 130


async def test_a_file_from_a_spreadsheet_may_begin_with_a_byte_order_mark(tmp_path: Path):
    rows = tmp_path / "rows.csv"
    rows.write_text(f"token,title\n{TOKEN},Sale\n", encoding="utf-8-sig")
    async with serving(tmp_path) as opened:
        done = await send(opened, "--file", str(rows))
    assert done.returncode == 0, done.stderr


async def test_a_gateway_that_drains_and_ends_owing_results_is_not_waited_for(tmp_path: Path):
    async with open_door(unix(tmp_path)) as opened:  # nobody delivers
        options = ["--address", opened.addresses[0], "--apns-token", TOKEN, "--title", "x", "--timeout", "1000"]
        with trio.fail_after(HANG_SECONDS):
            async with trio.open_nursery() as nursery:
                run = partial(trio.run_process, [*COMMAND, *options], check=False, capture_stderr=True, env=ENVIRONMENT)
                done: list[subprocess.CompletedProcess[bytes]] = []

                async def keep() -> None:
                    done.append(await run())

                nursery.start_soon(keep)
                await opened.engine.lease(1)
                opened.door.begin_drain()
                opened.door.end_when_idle()
                await opened.hang_up()
    assert done[0].returncode == 3
    assert b"the gateway ended, and owes 1 results" in done[0].stderr
