"""One notification sent as lanes send them: prepared, built, over a session of the gateway's own."""

import os
from collections.abc import Sequence

import msgspec
import trio

from gateway.clock import Clock
from gateway.delivery.lanes.work import Work
from gateway.delivery.pacing.limits import LaneLimits
from gateway.delivery.providers.building import make_requests
from gateway.delivery.providers.provider import Provider
from gateway.delivery.sessions.driver import Driver
from gateway.delivery.sessions.opening import make_driver
from gateway.journal.engine import BatchRecord, ChunkRef
from gateway.journal.leases import SOLE_LEASE
from gateway.live.probes import TTL_SECONDS, Probe
from native import Exchange, Requests
from protocol.chunks import Chunk
from protocol.exchanges import Cause, Ending
from protocol.outcomes import Verdict
from protocol.preparation import AppFacts, Columns, Preparation
from protocol.providers import fcm
from protocol.providers.verdicts import ACCEPTED
from protocol.send import BatchLimits, decode_batch, decode_rows

SUBMIT_SECONDS = 0.02  # between looks whether the server allows a request yet: its SETTINGS wake nobody here
BATCH_ID = "check-config"
_UNANSWERED = {
    Cause.TIMEOUT: "no answer within the time that answers may take",
    Cause.REFUSED_STREAM: "it refused the request unread",
    Cause.RESET: "it broke the request off",
    Cause.RESPONSE_TOO_LARGE: "an answer larger than any of a provider's",
    Cause.MALFORMED_RESPONSE: "an answer that is not HTTP",
}


class NoAnswerError(Exception):
    """Nothing came back that says anything of the notification; the message says what happened."""


class NotSentError(Exception):
    """The notification can't be sent with these settings; the message says why."""


class Received(msgspec.Struct, frozen=True):
    """An answer as it came, and in our words; ``status`` is 0 for a GOAWAY."""

    status: int
    verdict: Verdict


def prepare(probe: Probe, facts: AppFacts, clock: Clock) -> Columns:
    """Return a probe's notification as intake would take it: columns of one row. Raises NotSentError."""
    frame = {"op": "send", "app": probe.app, "notifications": [{"ttl": TTL_SECONDS, **probe.notification}]}
    envelope = decode_batch(msgspec.msgpack.encode(frame), BatchLimits())
    preparation = Preparation(envelope, facts, int(clock.wall() * 1000))
    columns, rejections = preparation.prepare_slice(decode_rows(envelope, 0, 1), 0)
    if rejections:
        raise NotSentError(f"{rejections[0].field}: {rejections[0].detail}")
    return columns


async def ask(provider: Provider, limits: LaneLimits, row: Columns, clock: Clock) -> Received:
    """Send a row and return what came back.

    Raises SessionOpenError, CredentialUnavailableError, NotSentError, NoAnswerError.
    """
    await provider.acquire_credential()
    work = await _build(provider, row, clock)
    link = await provider.dialer.dial()
    owner = _Owner(provider)
    driver = make_driver(1, link, provider, limits=limits.session, clock=clock, owner=owner)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(driver.run)
        nursery.start_soon(_submit, driver, work, provider)
        await owner.ended.wait()
        driver.drain()
        nursery.cancel_scope.cancel()
    if owner.received is None:
        raise NoAnswerError(owner.why)
    return owner.received


async def _build(provider: Provider, row: Columns, clock: Clock) -> Work:
    lane, plan = row.lanes[0], row.plans[0]
    chunk = Chunk(
        lane=lane,
        queue=plan.queue,
        indexes=[0, 1],
        destinations=row.destinations,
        bodies=row.bodies,
        variants=[plan.variant],
    )
    batch = BatchRecord(
        principal="",
        batch_id=BATCH_ID,
        app=lane.partition("/")[0],
        labels=(),
        accepted_at_ms=int(clock.wall() * 1000),
        provider_id_prefix=os.urandom(12),
        rows=1,
    )
    built = await provider.build_requests(chunk, batch)
    if built.refused:
        raise NotSentError(f"the gateway itself refuses it: {built.refused[0].reason}")
    if provider.name == "fcm":
        columns = fcm.ask_to_validate_only(built.columns)
        built = built._replace(columns=columns, requests=make_requests(columns, batch))
    ref = ChunkRef(
        lease=SOLE_LEASE,
        record=batch,
        batch=0,
        chunk=0,
        lane=lane,
        queue=plan.queue,
        start=0,
        stop=1,
        stored_bytes=len(row.bodies[0]),
    )
    return Work(ref, batch, chunk, built=built, provider=provider.name, now=clock.monotonic())


async def _submit(driver: Driver, work: Work, provider: Provider) -> None:
    headers = provider.session_headers()
    while headers is not None and not driver.submit(work.requests, 0, 1, headers):  # noqa: ASYNC110
        await trio.sleep(SUBMIT_SECONDS)


class _Owner:
    """Hears of the one row; see :class:`gateway.delivery.sessions.driver.SessionOwner`."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self.ended = trio.Event()
        self.received: Received | None = None
        self.why = ""

    def on_progress(self, driver: Driver, touched: Sequence[Requests], exchanges: Sequence[Exchange]) -> None:
        """Take the answer."""
        if touched and any(requests.take_successes() for requests in touched):
            self._take(Received(self._provider.success_status, ACCEPTED))
        for exchange in exchanges:
            if exchange.ending is Ending.ANSWERED:
                self._take(Received(exchange.status, self._provider.classify(exchange)))
            else:
                self._hear_goaway(driver)
                self._end(_UNANSWERED.get(exchange.cause, "the connection ended before it answered"))

    def on_ended(self, driver: Driver, exchanges: Sequence[Exchange], why: str) -> None:
        """Take a GOAWAY that came instead of an answer."""
        del exchanges
        self._hear_goaway(driver)
        self._end(f"the connection ended before it answered: {why}")

    def _hear_goaway(self, driver: Driver) -> None:
        data = driver.take_goaway_data()
        verdict = self._provider.classify_goaway(data) if data else None
        if verdict is not None:
            self._take(Received(0, verdict))

    def _take(self, received: Received) -> None:
        if self.received is None:
            self.received = received
        self.ended.set()

    def _end(self, why: str) -> None:
        self.why = self.why or why
        self.ended.set()
