"""Rows whose time runs out while the gateway can do nothing (P13): it is stopped or killed, and goes on too late.

The provider takes what fits into one session and answers nothing, so everything else waits in the gateway. Then the
gateway's process is frozen (SIGSTOP) or killed, and the time of all that waits runs out. What arrives after that was
begun after its expiry: when the gateway goes on, only rows that live longer may come.
"""

import signal
import time
from collections import Counter
from pathlib import Path
from typing import Literal

import msgspec
import trio

from bench.faults.gateway_process import open_place, start_gateway
from bench.faults.shop import PATIENCE_SECONDS, open_shop
from bench.judging.findings import Findings, History, KillMoment, judge
from bench.simulators.apns import open_apns_simulator

Outage = Literal["frozen", "killed"]

EXPIRING_ROWS = 300
LASTING_ROWS = 100
SESSION_WINDOW = 50
LIFETIME_SECONDS = 5
"""Long enough to be accepted and sent on a crowded machine."""
AFTER_SECONDS = 1.0
"""For deadlines, which are whole milliseconds of another process."""
FILLING_SECONDS = 60.0


class Expiry(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it."""

    begun_before: int
    """Requests of expiring rows before the outage."""
    begun_after_expiry: int
    outcomes: Counter[str]
    """Of the expiring rows."""
    lasting_accepted: int
    """Of the rows that live longer."""
    findings: Findings

    def failures(self) -> list[str]:
        """Return a line for each thing that was broken."""
        late = [f"{self.begun_after_expiry} attempts begun after expiry"] if self.begun_after_expiry else []
        lasting = LASTING_ROWS - self.lasting_accepted
        return [*self.findings.failures(), *late, *([f"{lasting} lasting rows were not sent"] if lasting else [])]


async def outlive(
    folder: Path, outage: Outage, *, plant: str | None = None, patience_seconds: float = PATIENCE_SECONDS
) -> Expiry:
    """Let rows expire during an outage of the gateway, go on, and judge what it sends then.

    Raises trio.TooSlowError when the gateway doesn't fill its session before.
    """
    history = History()
    settings = {"session_window": SESSION_WINDOW, "most_sessions": 1}
    async with open_apns_simulator() as simulator, open_place(folder, simulator, apns=settings) as place:
        async with start_gateway(place, plant=plant) as child, open_shop(place, "expiry", history) as shop:
            await shop.send(1)  # a session's first request goes alone
            await shop.read_results(patience_seconds)
            simulator.stall()
            await shop.send(EXPIRING_ROWS, ttl_seconds=LIFETIME_SECONDS)
            await shop.send(LASTING_ROWS)
            with trio.fail_after(FILLING_SECONDS):
                while simulator.statistics().requests < 1 + SESSION_WINDOW:  # noqa: ASYNC110 - it tells nobody
                    await trio.sleep(0.02)
            child.send_signal(signal.SIGSTOP if outage == "frozen" else signal.SIGKILL)
            await trio.sleep(LIFETIME_SECONDS + AFTER_SECONDS)
            expired_at_ms = int(time.time() * 1000)
            simulator.resume()
            if outage == "frozen":
                child.send_signal(signal.SIGCONT)
                await shop.read_results(patience_seconds)
            else:
                moment = KillMoment(
                    point="session full", at_ms=expired_at_ms, session=simulator.statistics().connections
                )
                history.kills.append(moment)
        if outage == "killed":
            place.socket.unlink()
            async with start_gateway(place, plant=plant), open_shop(place, "expiry", history) as shop:
                await shop.read_results(patience_seconds)
    history.ledger = simulator.ledger.entries
    return judge_expiry(history, expired_at_ms)


def judge_expiry(history: History, expired_at_ms: int) -> Expiry:
    """Judge a history whose second batch expired at some time before ``expired_at_ms``, and whose third lasts. Pure."""
    _, expiring, lasting = history.submitted.values()
    tokens = set(expiring.destinations)
    received = [entry.at for entry in history.ledger if entry.destination in tokens]
    outcomes = {(result.batch_id, result.index): result.outcome for result in history.results}
    return Expiry(
        begun_before=sum(at < expired_at_ms for at in received),
        begun_after_expiry=sum(at >= expired_at_ms for at in received),
        outcomes=Counter(outcome for (batch_id, _), outcome in outcomes.items() if batch_id == expiring.batch_id),
        lasting_accepted=sum(
            batch_id == lasting.batch_id and outcome == "provider_accepted"
            for (batch_id, _), outcome in outcomes.items()
        ),
        findings=judge(history),
    )
