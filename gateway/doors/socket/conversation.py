"""What each frame of a caller does, from ``hello`` on. Reading and writing bytes is the connection's business.

Most frames are dealt with at once. Those that ask the engine are *questions*: :meth:`Conversation.hear` returns them
and :meth:`Conversation.ask` waits for what comes of them.

Two kinds of refusal: a RequestError is answered and the conversation goes on; a FrameError (not a frame, not its turn)
ends it, because nothing that follows can be trusted.
"""

from typing import NamedTuple

import msgspec
import trio

from gateway.access import Authenticator, Evidence, Principal, UnauthenticatedError
from gateway.clock import Clock
from gateway.config import LimitSettings
from gateway.doors.socket.buffers import BufferRoom
from gateway.doors.socket.outbox import Outbox
from gateway.doors.socket.pipeline import Pipeline
from gateway.doors.socket.results import ResultsFeeder
from gateway.doors.socket.sources import DeadTokensSource, ResultsSource, Source
from gateway.intake.admission import Admission
from gateway.intake.cancelling import cancel
from gateway.intake.credits import CreditLedger
from gateway.intake.intake import Intake
from gateway.intake.pace import Pace
from gateway.intake.refusals import describe_refusal
from gateway.intake.turns import TurnAccount, Turns
from gateway.journal.books.subscriptions import SUBSCRIPTION_LIMIT
from gateway.journal.engine import Engine
from protocol.frames import (
    PROTOCOL_VERSION,
    Ack,
    CallerFrame,
    Cancel,
    Cancelled,
    ConfirmDeadTokens,
    Confirmed,
    Credits,
    FrameError,
    GatewayPong,
    Goodbye,
    Hello,
    Limits,
    Ping,
    Pong,
    Subscribe,
    Unsubscribe,
    Welcome,
    decode_caller_frame,
    encode_frame,
)
from protocol.reasons import Reason
from protocol.refusals import RequestError
from protocol.send import BatchLimits, SendFrame

FEATURES = [
    "apns",
    "cancel_by_id",
    "cancel_by_index",
    "cancel_by_key",
    "dead_tokens",
    "fcm",
    "subscriptions",
    "targets",
    "webpush",
]
CURSOR_DIGITS = 18  # fits a signed 64-bit number
# Cancels of all connections: each holds the loop in slices of half a millisecond, which would add up.
CANCELS_AT_ONCE = 2
# How many pings a batch that is queued takes as long as, or the refusal of a frame: decoding it and saying why.
HEAVY_FRAME = 4

Question = Ack | Subscribe | Unsubscribe | Cancel | ConfirmDeadTokens


class Services(msgspec.Struct, frozen=True, kw_only=True):
    """What all connections of a door share."""

    authenticator: Authenticator
    engine: Engine
    intake: Intake
    admission: Admission
    limits: LimitSettings
    clock: Clock
    turns: Turns
    fruitless: Pace
    unfinished: Pace
    buffers: BufferRoom
    cancels: trio.CapacityLimiter


class Greeted(NamedTuple):
    """What a connection has once its caller is known: both parts act for that principal and no other."""

    pipeline: Pipeline
    requests: "Requests"


class Conversation:
    """One caller's frames, in order.

    ``evidence`` is what the connection knows of its caller. Batches are worked on in ``working`` and results are fed
    in ``feeding``, nurseries of the connection's; ``input_scope`` is cancelled when nothing more is to be read.
    ``weight`` tells of all frames heard how much they took, in pings, and ``batches`` how many of them were batches
    that were queued.
    """

    def __init__(
        self,
        services: Services,
        *,
        evidence: Evidence,
        outbox: Outbox,
        ledger: CreditLedger,
        account: TurnAccount,
        working: trio.Nursery,
        feeding: trio.Nursery,
        input_scope: trio.CancelScope,
    ) -> None:
        self._services = services
        self._evidence = evidence
        self._outbox = outbox
        self._ledger = ledger
        self._account = account
        self._working = working
        self._feeding = feeding
        self._input_scope = input_scope
        self._greeted: Greeted | None = None
        self.weight = 0
        self.batches = 0

    @property
    def is_greeted(self) -> bool:
        """Whether the caller said hello and was welcomed."""
        return self._greeted is not None

    def hear(self, body: bytes) -> Question | None:
        """Do what a frame asks for, or return it if that has to wait. Raises FrameError."""
        self.weight += 1
        try:
            frame = decode_caller_frame(body)
            if self._greeted is not None:
                return self._act(self._greeted, frame, len(body))
            self._greeted = self._greet(frame)
        except FrameError:
            raise
        except RequestError as refusal:
            if not self.is_greeted:
                raise _out_of_turn("the first frame must be hello") from None
            self._refuse(refusal)
        return None

    async def ask(self, question: Question) -> None:
        """Have the engine do what a question asks for; there is none before the greeting."""
        if self._greeted is not None:
            try:
                await self._greeted.requests.ask(question)
            except RequestError as refusal:
                self._refuse(refusal)

    def end_when_idle(self) -> None:
        """Feed the results that are there, then read no more."""
        if self._greeted is None:
            self._input_scope.cancel()
        else:
            self._greeted.requests.end_when_idle()

    def end_unheard(self) -> None:
        """Feed the results that are there: the peer closed its side, and nothing will be acknowledged."""
        if self._greeted is not None:
            self._greeted.requests.end_unheard()

    def end_results(self) -> None:
        """End the subscription now."""
        if self._greeted is not None:
            self._greeted.requests.end_results()

    def abandon(self) -> None:
        """Drop what was not begun; for a peer that is gone."""
        if self._greeted is not None:
            self._greeted.pipeline.abandon()

    def _refuse(self, refusal: RequestError) -> None:
        self.weight += HEAVY_FRAME - 1
        self._outbox.put_response(encode_frame(describe_refusal(refusal)))

    def _act(self, greeted: Greeted, frame: CallerFrame, size_bytes: int) -> Question | None:
        match frame:
            case SendFrame():
                self.weight += HEAVY_FRAME - 1
                self.batches += greeted.pipeline.submit(frame, size_bytes)
            case Ping():
                self._outbox.put_response(encode_frame(GatewayPong()))
            case Pong():
                pass
            case Goodbye():
                greeted.requests.say_goodbye()
            case Hello():
                raise _out_of_turn("hello comes once, as the first frame")
            case _:
                return frame
        return None

    def _greet(self, frame: CallerFrame) -> Greeted:
        """Answer ``hello``, and return what the caller's principal is served by. Its key is accepted unread."""
        if not isinstance(frame, Hello):
            raise _out_of_turn("the first frame must be hello")
        if frame.version != PROTOCOL_VERSION:
            detail = f"this gateway speaks version {PROTOCOL_VERSION} only"
            raise FrameError(Reason.NOT_SUPPORTED, "version", detail)
        try:
            principal = self._services.authenticator.authenticate(self._evidence)
        except UnauthenticatedError as error:
            raise FrameError(Reason.UNAUTHENTICATED, None, str(error)) from None
        self._outbox.put_response(encode_frame(_welcome(self._services.limits)))
        requests = Requests(
            self._services, principal, outbox=self._outbox, feeding=self._feeding, input_scope=self._input_scope
        )
        return Greeted(self._make_pipeline(principal), requests)

    def _make_pipeline(self, principal: Principal) -> Pipeline:
        services = self._services
        limits = services.limits
        return Pipeline(
            principal=principal.stored_as,
            intake=services.intake,
            admission=services.admission,
            limits=BatchLimits(notifications=limits.batch_notifications, bytes=limits.batch_bytes),
            ledger=self._ledger,
            outbox=self._outbox,
            turns=services.turns,
            account=self._account,
            nursery=self._working,
        )


class Requests:
    """What a principal asks of the engine over one connection: to cancel, to read, to acknowledge, to confirm."""

    def __init__(
        self,
        services: Services,
        principal: Principal,
        *,
        outbox: Outbox,
        feeding: trio.Nursery,
        input_scope: trio.CancelScope,
    ) -> None:
        self._services = services
        self._principal = principal.stored_as
        self._outbox = outbox
        self._feeding_nursery = feeding
        self._input_scope = input_scope
        self._feeding = trio.CancelScope()
        self._feeder: ResultsFeeder | None = None
        self._subscription: str | None = None
        self._ends_when_idle = False

    async def ask(self, frame: Question) -> None:
        """Do what a question asks for. Raises RequestError."""
        match frame:
            case Ack():
                await self._acknowledge(frame)
            case Subscribe():
                await self._subscribe(frame)
            case Unsubscribe():
                await self._unsubscribe(frame)
            case Cancel():
                await self._cancel(frame)
            case ConfirmDeadTokens():
                await self._confirm_dead_tokens(frame)

    def end_when_idle(self) -> None:
        """Feed the results that are there, then have no more read."""
        self._ends_when_idle = True
        if self._feeder is None:
            self._input_scope.cancel()
        else:
            self._feeder.end_when_idle()

    def end_unheard(self) -> None:
        """Feed the results that are there: nothing will be acknowledged."""
        if self._feeder is not None:
            self._feeder.end_unheard()

    def end_results(self) -> None:
        """End the subscription now."""
        self._feeding.cancel()

    def say_goodbye(self) -> None:
        """Read no more, unless results still have to be acknowledged: then the caller closes when it has enough."""
        if self._feeder is None:
            self._input_scope.cancel()

    async def _cancel(self, frame: Cancel) -> None:
        async with self._services.cancels:
            count = await cancel(self._services.engine, self._principal, frame, int(self._services.clock.wall() * 1000))
        answer = Cancelled(
            batch_id=frame.batch_id,
            app=frame.app,
            cancel_key=frame.cancel_key,
            cancelled=count.cancelled,
            too_late=count.too_late,
            not_found=count.not_found,
        )
        self._outbox.put_response(encode_frame(answer))

    async def _confirm_dead_tokens(self, frame: ConfirmDeadTokens) -> None:
        now_ms = int(self._services.clock.wall() * 1000)
        tokens = await self._services.engine.dead_tokens.confirm(self._principal, frame.app, now_ms)
        self._outbox.put_response(encode_frame(Confirmed(app=frame.app, tokens=tokens)))

    async def _subscribe(self, frame: Subscribe) -> None:
        if self._feeder is not None:
            raise RequestError(Reason.MALFORMED, None, "a connection has one subscription at a time")
        if frame.cursor is not None and frame.subscription is not None:
            raise RequestError(Reason.MALFORMED, "cursor", "a subscription keeps its own cursor: name one of the two")
        if frame.feed == "dead_tokens" and frame.subscription is not None:
            raise RequestError(Reason.MALFORMED, "subscription", "dead tokens are read by a cursor")
        position = await self._find_position(frame)
        self._subscription = frame.subscription
        self._feeder = ResultsFeeder(
            self._make_source(frame),
            position=position,
            outbox=self._outbox,
            skips_freed=frame.subscription is not None,
        )
        self._feeding = trio.CancelScope()
        self._feeding_nursery.start_soon(self._feed, self._feeder)

    def _make_source(self, frame: Subscribe) -> Source:
        if frame.feed == "dead_tokens":
            return DeadTokensSource(self._services.engine, self._principal)
        return ResultsSource(self._services.engine, self._principal)

    async def _find_position(self, frame: Subscribe) -> int:
        if frame.subscription is None:
            return 0 if frame.cursor is None else _read_cursor(frame.cursor)
        position = await self._services.engine.open_subscription(self._principal, frame.subscription)
        if position is None:
            detail = f"there are {SUBSCRIPTION_LIMIT} subscriptions of other names already"
            raise RequestError(Reason.OVER_QUOTA, "subscription", detail)
        return position

    async def _feed(self, feeder: ResultsFeeder) -> None:
        with self._feeding:
            await feeder.run()
        self._feeder = None
        if self._ends_when_idle:
            self._input_scope.cancel()

    async def _acknowledge(self, frame: Ack) -> None:
        if self._feeder is None:
            raise RequestError(Reason.MALFORMED, "cursor", "there is no subscription to acknowledge")
        position = _read_cursor(frame.cursor)
        if not self._feeder.acknowledge(position):
            raise RequestError(Reason.INVALID_OPTION, "cursor", "no results were sent up to there yet")
        if self._subscription is not None:
            await self._services.engine.acknowledge_subscription(self._principal, self._subscription, position)

    async def _unsubscribe(self, frame: Unsubscribe) -> None:
        if not await self._services.engine.close_subscription(self._principal, frame.subscription):
            raise RequestError(Reason.INVALID_OPTION, "subscription", "there is no subscription of this name")


def _welcome(limits: LimitSettings) -> Welcome:
    return Welcome(
        version=PROTOCOL_VERSION,
        limits=Limits(
            batch_notifications=limits.batch_notifications,
            batch_bytes=limits.batch_bytes,
            frame_bytes=limits.batch_bytes,
        ),
        credits=Credits(notifications=limits.connection_credit_notifications, bytes=limits.connection_credit_bytes),
        features=FEATURES,
    )


def _read_cursor(cursor: str) -> int:
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= CURSOR_DIGITS):
        raise RequestError(Reason.INVALID_OPTION, "cursor", "not a cursor that this gateway gave out")
    return int(cursor)


def _out_of_turn(detail: str) -> FrameError:
    return FrameError(Reason.MALFORMED, "op", detail)
