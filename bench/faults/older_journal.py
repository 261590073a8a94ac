"""A gateway that starts on a journal which an earlier version left, and what it breaks of what that one promised."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import trio

from bench.faults.gateway_process import open_place
from bench.faults.kept_journals import (
    AUDIT,
    BACKEND,
    FINISHED,
    GONE,
    HOUR_MS,
    SILENT,
    KeptJournal,
    read_results,
    tell_answer,
)
from bench.simulators.apns import ApnsSimulator, ApnsSimulatorOptions, open_apns_simulator
from gateway.app import EngineWrapper, Gateway
from gateway.caller import BatchRefusedError, SocketCaller, open_caller
from gateway.clock import SystemClock
from gateway.config import load_config

PATIENCE_SECONDS = 30.0
"""A bound on hanging, and for results that don't come."""


class KeptClock(SystemClock):
    """The time an hour and a half after a journal was kept: what was scheduled in it is due, no key is old."""

    def __init__(self, kept: KeptJournal) -> None:
        self._behind_seconds = super().wall() - (kept.made_at_ms + HOUR_MS * 3 // 2) / 1000

    def wall(self) -> float:
        """Return UNIX time in seconds."""
        return super().wall() - self._behind_seconds


class Reopened(msgspec.Struct):
    """A gateway on a kept journal: its provider and two callers."""

    simulator: ApnsSimulator
    caller: SocketCaller
    auditor: SocketCaller


@asynccontextmanager
async def open_kept(
    folder: Path, kept: KeptJournal, wrap_engine: EngineWrapper = lambda engine: engine
) -> AsyncIterator[Reopened]:
    """Run a gateway on the journal in ``folder``, in its own time; its sandbox, closed when it was kept, is open."""
    clock = KeptClock(kept)
    async with (
        open_apns_simulator(ApnsSimulatorOptions(clock=clock)) as simulator,
        open_place(folder, simulator, apns={"sandbox_address": f"localhost:{simulator.port}"}) as place,
        trio.open_nursery() as nursery,
    ):
        gateway = Gateway(load_config(place.settings, {}), clock=clock, wrap_engine=wrap_engine)
        await nursery.start(gateway.run)
        async with open_caller(place.address) as caller, open_caller(place.address) as auditor:
            yield Reopened(simulator, caller, auditor)
        nursery.cancel_scope.cancel()


async def find_broken(reopened: Reopened, kept: KeptJournal) -> list[str]:
    """Return what isn't as it was promised: first answers, results for each reader, what was sent."""
    failures = [failure async for failure in _compare_answers(reopened.caller, kept)]
    expected = list_outcomes(kept)
    for caller, name in ((reopened.caller, BACKEND), (reopened.auditor, AUDIT)):
        failures += await _compare_results(caller, name, expected)
    sent = [entry.destination for entry in reopened.simulator.ledger.entries]
    if len(sent) != len(set(sent)) or len(sent) != kept.owed_rows - 1:
        failures.append(f"{len(sent)} were sent, {len(set(sent))} of them different; owed were {kept.owed_rows - 1}")
    failures += [f"{token[:2]}… was sent, and had ended" for token in sent if token.startswith((GONE, SILENT))]
    return failures


async def _compare_answers(caller: SocketCaller, kept: KeptJournal) -> AsyncIterator[str]:
    for name, batch in kept.batches.items():
        if _keep_known(tell_answer(await caller.send(batch)), kept.answers[name]) != kept.answers[name]:
            yield f"batch {name} is answered otherwise"
        try:
            await caller.send(batch | {"content": {"title": "Another"}})
        except BatchRefusedError as refusal:
            if refusal.reason != "batch_conflict":
                yield f"another batch as {name} is refused as {refusal.reason}"
        else:
            yield f"the name {name} was free again"


def _keep_known(answer: dict[str, Any], kept: Mapping[str, Any]) -> dict[str, Any]:
    """Return an answer without the fields of rejected rows that its version did not have yet."""
    known = {name for row in kept["rejected"] for name in row}
    return answer | {"rejected": [{name: row[name] for name in row if name in known} for row in answer["rejected"]]}


async def _compare_results(
    caller: SocketCaller, name: str, expected: Mapping[tuple[str, int], tuple[str, str | None]]
) -> list[str]:
    reader = await caller.subscribe(subscription=name)
    with trio.move_on_after(PATIENCE_SECONDS):
        results = await read_results(reader, len(expected), acknowledges=True)
        told = {(row.batch_id, row.index): (row.outcome, row.reason) for row in results}
        if len(results) != len(expected) or told != expected:
            return [f"{name} was told {len(results)} results, {len(expected)} are right, or other ones"]
        return []
    return [f"{name} was not told all results"]


def list_outcomes(kept: KeptJournal) -> dict[tuple[str, int], tuple[str, str | None]]:
    """Return outcome and reason of every accepted notification that nobody had acknowledged."""
    expected: dict[tuple[str, int], tuple[str, str | None]] = {}
    for name, batch in kept.batches.items():
        rows = batch.get("notifications") or batch["targets"]
        rejected = {row["index"] for row in kept.answers[name]["rejected"]}
        if name not in FINISHED:
            expected |= {(name, index): ("provider_accepted", None) for index in set(range(len(rows))) - rejected}
    for name, ids in kept.cancelled.items():
        expected |= {(name, int(given.rpartition("-")[2])): ("cancelled", "cancelled") for given in ids}
    return expected | {("gone", 0): ("rejected", "dead_token"), ("reported", 0): ("unknown", "link_lost")}
