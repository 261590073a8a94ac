"""Journals of each version, kept as test data: what a gateway of that version left behind when it was killed.

``python -m bench.faults.kept_journals`` makes one with the gateway of this tree, through its door alone, so that the
same steps make one of any version. It holds something of everything: rows queued, scheduled, cancelled, waiting for
another attempt, marked as about to be sent; results unread; readers; a dead token; the keys and first answers of
batches that are finished, some with rejected rows. What was told to the caller stands beside it.
"""

import json
import sqlite3
import sys
import tarfile
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from signal import SIGKILL
from typing import Any

import msgspec
import trio

from bench.faults.gateway_process import DATABASE, LOG, GatewayPlace, open_place, start_gateway
from bench.simulators.apns import ApnsAnswerEvent, ApnsScenario, ApnsSimulatorOptions, open_apns_simulator
from bench.simulators.server import SilenceEvent
from gateway.caller import SocketCaller, Subscription, open_caller
from protocol.frames import Results
from protocol.results import Result, expand

KEPT = Path(__file__).parents[2] / "tests" / "journal" / "data"
HOUR_MS = 3_600_000
WEEK_SECONDS = 7 * 86_400
BACKEND, AUDIT = "backend", "audit"
FINISHED = ("finished", "all-rejected", "named-twice")
BUSY, SILENT, GONE = "bb", "55", "dd"
CLOSED_PORT = "localhost:1"


class KeptJournal(msgspec.Struct, kw_only=True):
    """What the caller sent and heard. Moments are UNIX milliseconds."""

    version: int
    made_at_ms: int
    batches: dict[str, dict[str, Any]]
    answers: dict[str, dict[str, Any]]
    cancelled: dict[str, list[str]]
    acknowledged_rows: int
    owed_rows: int

    @property
    def accepted_rows(self) -> int:
        """How many notifications were accepted."""
        return sum(answer["accepted"] for answer in self.answers.values())


def list_kept() -> list[int]:
    """Return the versions of which a journal is kept."""
    return sorted(int(path.stem.removeprefix("version-")) for path in KEPT.glob("version-*.json"))


def unpack_journal(version: int, folder: Path) -> KeptJournal:
    """Put a kept journal into a folder, as its gateway left it when it was killed."""
    with tarfile.open(KEPT / f"version-{version}.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    for path in folder.iterdir():
        path.chmod(0o600)
    return msgspec.json.decode((KEPT / f"version-{version}.json").read_bytes(), type=KeptJournal)


def make_tokens(count: int, prefix: str) -> list[str]:
    """Return distinct device tokens that begin alike."""
    return [f"{prefix}{number:0{64 - len(prefix)}x}" for number in range(count)]


def _alert(tokens: Sequence[str], **defaults: object) -> dict[str, Any]:
    batch: dict[str, Any] = {
        "app": "shop",
        "content": {"title": "Sale", "body": "20 % off today"},
        "targets": [{"apns": {"token": token}} for token in tokens],
    }
    return batch | ({"defaults": defaults} if defaults else {})


def make_batches(made_at_ms: int) -> dict[str, dict[str, Any]]:
    """Return the batches of a kept journal by their names."""
    lasting: dict[str, Any] = {"ttl": WEEK_SECONDS}
    mixed = [
        {"id": "good-0", "to": {"apns": {"token": make_tokens(1, "01")[0]}}},
        {"id": "bad-1", "to": {"apns": {"token": "no token"}}},
        {"id": "good-2", "to": {"apns": {"token": make_tokens(1, "02")[0]}}},
        {"id": "good-0", "to": {"apns": {"token": make_tokens(1, "03")[0]}}},
        {"id": "bad-4", "to": {"fcm": {"token": "an-app-without-it"}}},
        {"to": {}},
        {"id": "bad-6", "to": {"apns": {"token": make_tokens(1, "00")[0]}}, "content": {"title": "x" * 9000}},
    ]
    later = [
        {"id": f"later-{at}", "to": {"apns": {"token": token}}, "cancel_keys": ["autumn"]}
        for at, token in enumerate(make_tokens(6, "06"))
    ]
    partly = [*make_tokens(3, "07"), *make_tokens(2, BUSY + "07")]
    sandbox = [{"apns": {"token": token, "environment": "sandbox"}} for token in make_tokens(150, "08")]
    shared: dict[str, Any] = {"app": "shop", "content": {"title": "Sale", "body": "20 % off today"}}
    batches: dict[str, dict[str, Any]] = {
        "finished": shared | {"notifications": mixed, "labels": ["spring", "de"]},
        "all-rejected": shared | {"targets": [{"apns": {"token": "x"}}] * 40},
        "named-twice": _alert(make_tokens(120, "04")),
        "gone": _alert(make_tokens(1, GONE)),
        "unread": _alert(make_tokens(4, "05")),
        "busy": _alert(make_tokens(2, BUSY), **lasting),
        "partly": _alert(partly, **lasting),
        "later": shared | {"notifications": later, "defaults": {"not_before": made_at_ms + HOUR_MS} | lasting},
        "waiting": shared | {"targets": sandbox, "defaults": lasting},
        "reported": _alert(make_tokens(1, SILENT), on_unknown="report", **lasting),
    }
    return {name: batch | {"batch_id": name} for name, batch in batches.items()}


async def make_journal(folder: Path) -> tuple[KeptJournal, GatewayPlace]:
    """Let a gateway work in a folder, kill it, and return what its caller knows."""
    events = (
        ApnsAnswerEvent(destination_prefix=BUSY, status=503, reason="ServiceUnavailable"),
        ApnsAnswerEvent(destination_prefix=GONE, status=410, reason="Unregistered", dead_for_seconds=86_400),
        SilenceEvent(destination_prefix=SILENT),
    )
    made_at_ms = int(time.time() * 1000)
    kept = KeptJournal(
        version=0,
        made_at_ms=made_at_ms,
        batches=make_batches(made_at_ms),
        answers={},
        cancelled={},
        acknowledged_rows=0,
        owed_rows=0,
    )
    options = ApnsSimulatorOptions(scenario=ApnsScenario(events=events))
    async with (
        open_apns_simulator(options) as simulator,
        open_place(folder, simulator, apns={"sandbox_address": CLOSED_PORT}) as place,
        start_gateway(place) as child,
    ):
        async with open_caller(place.address) as caller, open_caller(place.address) as auditor:
            await _fill(caller, auditor, kept)
        child.send_signal(SIGKILL)
        await child.wait()
    return kept, place


async def _fill(caller: SocketCaller, auditor: SocketCaller, kept: KeptJournal) -> None:
    for name in FINISHED:
        await _send(caller, kept, name)
    kept.acknowledged_rows = kept.accepted_rows
    backend = await caller.subscribe(subscription=BACKEND)
    audit = await auditor.subscribe(subscription=AUDIT)
    for reader in (backend, audit):
        await read_results(reader, kept.acknowledged_rows, acknowledges=True)
    for name in kept.batches:
        if name not in FINISHED:
            await _send(caller, kept, name)
    ids = ["later-0", "later-3"]
    await caller.cancel("later", ids=ids)
    kept.cancelled["later"] = ids
    settled = sum(kept.answers[name]["accepted"] for name in ("gone", "unread")) + 3 + len(ids)
    await read_results(backend, settled, acknowledges=False)
    kept.owed_rows = kept.accepted_rows - kept.acknowledged_rows - settled
    # The busy ones have had their first attempt by then, and the silent one was submitted.
    await trio.sleep(3.0)


async def _send(caller: SocketCaller, kept: KeptJournal, name: str) -> None:
    kept.answers[name] = tell_answer(await caller.send(kept.batches[name]))


def tell_answer(accepted: msgspec.Struct) -> dict[str, Any]:
    """Return a first answer as its caller has it, without what is of that one connection."""
    told: Mapping[str, Any] = msgspec.to_builtins(accepted)
    return {name: told[name] for name in ("batch_id", "accepted", "rejected")}


async def read_results(subscription: Subscription[Results], count: int, *, acknowledges: bool) -> list[Result]:
    """Return the next ``count`` results."""
    results: list[Result] = []
    while len(results) < count:
        page = await anext(subscription)
        results += (result for block in page.blocks for result in expand(block))
        if acknowledges:
            subscription.acknowledge(page)
    return results


def keep(kept: KeptJournal, journal: Path) -> None:
    """Store a journal and what is known of it among the test data."""
    with closing(sqlite3.connect(f"file:{journal / DATABASE}?mode=ro", uri=True)) as connection:
        (kept.version,) = connection.execute("PRAGMA user_version").fetchone()
    with tarfile.open(KEPT / f"version-{kept.version}.tar.xz", "w:xz") as archive:
        for name in (DATABASE, LOG):
            archive.add(journal / name, name, filter=_anonymous)
    (KEPT / f"version-{kept.version}.json").write_text(json.dumps(msgspec.to_builtins(kept)) + "\n")


def _anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry


def main() -> None:
    """Make one with this tree's gateway."""
    with tempfile.TemporaryDirectory() as folder:
        kept, place = trio.run(make_journal, Path(folder))
        keep(kept, place.journal)
    sys.stdout.write(f"version {kept.version}: {kept.accepted_rows} accepted\n")


if __name__ == "__main__":
    main()
