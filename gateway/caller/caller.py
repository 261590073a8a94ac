"""A caller of the socket door.

Used like this::

    async with open_caller("unix:/run/pushmill/gateway.sock") as caller:
        accepted = await caller.send({"app": "shop", "content": {"title": "Sale"}, "targets": targets})
        results = await caller.subscribe(subscription="shop-backend")
        async for page in results:
            for block in page.blocks:
                for result in expand(block):
                    ...
            results.acknowledge(page)

Any number of tasks may send at once: batches are pipelined as far as the connection's credits go, and each call
returns with its own answer. One task reads, one writes, and both end with the ``async with``.
"""

import itertools
import ssl
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import msgspec
import trio

from gateway.caller.checking import encode_checked, name_batch
from gateway.caller.credits import CreditPurse
from gateway.caller.dialing import open_stream
from gateway.caller.errors import BatchRefusedError, CallerError, ConnectError, ConnectionLostError, RefusedError
from gateway.caller.reply import Reply
from gateway.caller.subscription import Subscription
from gateway.wakeup import Wakeup
from protocol.frames import (
    PROTOCOL_VERSION,
    Accepted,
    CallerFrame,
    Cancel,
    Cancelled,
    ConfirmDeadTokens,
    Confirmed,
    DeadTokens,
    Error,
    FrameError,
    FrameReader,
    GatewayFrame,
    GatewayGoodbye,
    GatewayPing,
    GatewayPong,
    Hello,
    Ping,
    Pong,
    Results,
    Subscribe,
    Unsubscribe,
    Welcome,
    decode_gateway_frame,
    encode_frame,
    frame_body,
)

RECEIVE_BYTES = 64 * 1024
# The largest answer is one that rejects each of 10,000 notifications: some 2 MB.
ANSWER_LIMIT_BYTES = 16 * 1024 * 1024
WELCOME_TIMEOUT_SECONDS = 10.0
# Closing waits this long for a peer that does not read.
FAREWELL_SECONDS = 1.0


@asynccontextmanager
async def open_caller(
    address: str, *, tls: ssl.SSLContext | None = None, key: str | None = None
) -> AsyncIterator["SocketCaller"]:
    """Connect to ``unix:/path`` or ``tcp:host:port`` (over TLS with a context) and greet. Raises ConnectError.

    What the body raises comes out as it is, not inside an exception group.
    """
    stream = await open_stream(address, tls)
    async with talk_over(stream, key=key) as caller:
        yield caller


@asynccontextmanager
async def talk_over(stream: trio.abc.Stream, *, key: str | None = None) -> AsyncIterator["SocketCaller"]:
    """Talk to a gateway over a stream that is open, and close it in the end. Like :func:`open_caller` otherwise."""
    try:
        async with stream, trio.open_nursery() as nursery:
            caller = SocketCaller(stream)
            nursery.start_soon(caller.read)
            nursery.start_soon(caller.write)
            await caller.greet(key)
            yield caller
            await caller.leave()
            nursery.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        if len(group.exceptions) > 1:
            raise
        raise group.exceptions[0] from None  # the two tasks raise nothing: it is the body's


class _SentBatch:
    """A batch that waits for its answer, and what it cost."""

    def __init__(self, rows: int, size_bytes: int) -> None:
        self.rows = rows
        self.size_bytes = size_bytes
        self.reply: Reply[Accepted] = Reply()


class _Question:
    """A request that is answered before the ping behind it: by a reply, a refusal, or nothing at all."""

    def __init__(self) -> None:
        self.reply: GatewayFrame | None = None
        self.refusal: RefusedError | None = None
        self.answered: Reply[bool] = Reply()

    def end(self) -> None:
        """Note that the pong came."""
        if self.refusal is None:
            self.answered.set(True)
        else:
            self.answered.fail(self.refusal)


class SocketCaller:
    """One connection to a gateway; see the module text. ``welcome`` is what the gateway told of itself."""

    welcome: Welcome

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self._outgoing: list[bytes] = []  # bounded by credits, and by who waits for a pong
        self._wakeup = Wakeup()
        self._purse = CreditPurse()
        self._greeting: Reply[Welcome] = Reply()
        self._sent: defaultdict[str, deque[_SentBatch]] = defaultdict(deque)
        self._questions: deque[_Question] = deque()
        self._subscription: Subscription[Results] | Subscription[DeadTokens] | None = None
        self._last_refusal: RefusedError | None = None
        self._loss: ConnectionLostError | None = None
        self._has_lost = trio.Event()
        self._is_draining = False

    @property
    def is_draining(self) -> bool:
        """Whether the gateway said goodbye: new batches should go to another one."""
        return self._is_draining

    async def send(self, batch: Mapping[str, Any]) -> Accepted:
        """Send one batch, in the fields of the API, and return the answer once the gateway holds it durably.

        A batch without ``batch_id`` gets one. Raises BatchRefusedError, and ConnectionLostError when it is unknown
        whether it was accepted.
        """
        batch_id = name_batch(batch)
        head = {"op": "send", "batch_id": batch_id}
        body = msgspec.msgpack.encode({**head, **batch, **head})  # first, because ``op`` says how to read the rest
        rows = len(batch.get("notifications") or batch.get("targets") or ())
        self._check_size(rows, len(body))
        await self._purse.spend(rows, len(body))
        if self._loss is not None:
            raise self._loss
        sent = _SentBatch(rows, len(body))
        self._sent[batch_id].append(sent)
        self._put_bytes(frame_body(body))
        return await sent.reply.wait()

    async def cancel(
        self, batch_id: str, indexes: Sequence[int] | None = None, *, ids: Sequence[str] | None = None
    ) -> Cancelled:
        """Cancel a batch, or rows of it by position or by id, as far as they were not sent yet. Raises RefusedError."""
        return await self._cancel(
            Cancel(
                batch_id=batch_id,
                indexes=None if indexes is None else list(indexes),
                ids=None if ids is None else list(ids),
            )
        )

    async def cancel_key(self, app: str, key: str) -> Cancelled:
        """Cancel what an app was given so far with a cancel key, as far as it was not sent yet. Raises RefusedError."""
        return await self._cancel(Cancel(app=app, cancel_key=key))

    async def _cancel(self, frame: Cancel) -> Cancelled:
        reply = await self._ask(frame)
        if not isinstance(reply, Cancelled):
            raise CallerError("the gateway answered a cancel with nothing")
        return reply

    async def subscribe(self, *, cursor: str | None = None, subscription: str | None = None) -> Subscription[Results]:
        """Start reading results: after ``cursor``, of a named ``subscription``, or with neither the oldest kept.

        A connection has one subscription at a time. Raises RefusedError.
        """
        opened: Subscription[Results] = Subscription(self._put)
        await self._open(opened, Subscribe(cursor=cursor, subscription=subscription))
        return opened

    async def read_dead_tokens(self, *, cursor: str | None = None) -> Subscription[DeadTokens]:
        """Start reading the destinations to delete, after ``cursor`` or the oldest kept: as :meth:`subscribe`.

        Keep the cursor of each frame with what you have deleted; an acknowledgement only asks for more.
        """
        opened: Subscription[DeadTokens] = Subscription(self._put)
        await self._open(opened, Subscribe(feed="dead_tokens", cursor=cursor))
        return opened

    async def confirm_dead_tokens(self, app: str) -> int:
        """Have the held dead tokens of an app released; return how many they are. Raises RefusedError."""
        reply = await self._ask(ConfirmDeadTokens(app=app))
        if not isinstance(reply, Confirmed):
            raise CallerError("the gateway answered a confirmation with nothing")
        return reply.tokens

    async def _open(self, opened: Subscription[Results] | Subscription[DeadTokens], frame: Subscribe) -> None:
        previous, self._subscription = self._subscription, opened
        try:
            await self._ask(frame)
        except BaseException:
            self._subscription = previous
            raise

    async def wait_lost(self) -> None:
        """Return when the connection has ended."""
        await self._has_lost.wait()

    async def unsubscribe(self, subscription: str) -> None:
        """Have a named subscription forgotten, for good: its results are freed. Raises RefusedError."""
        await self._ask(Unsubscribe(subscription=subscription))

    async def ping(self) -> None:
        """Return when the gateway has dealt with everything that was asked before."""
        await self._ask(None)

    # What follows is called by `talk_over` alone.

    async def greet(self, key: str | None) -> None:
        """Exchange ``hello`` and ``welcome``. Raises ConnectError."""
        self._put(Hello(version=PROTOCOL_VERSION, key=key))
        try:
            with trio.fail_after(WELCOME_TIMEOUT_SECONDS):
                self.welcome = await self._greeting.wait()
        except trio.TooSlowError:
            raise ConnectError(f"no welcome within {WELCOME_TIMEOUT_SECONDS:g} s: is it a gateway?") from None
        except ConnectionLostError as error:
            raise ConnectError(str(error)) from None
        self._purse.refill(self.welcome.credits.notifications, self.welcome.credits.bytes)

    async def leave(self) -> None:
        """Wait until the gateway has heard everything, acknowledgements above all, as far as it lets us."""
        with trio.move_on_after(FAREWELL_SECONDS), suppress(CallerError):
            await self.ping()

    async def read(self) -> None:
        """Take what the gateway says to whom it concerns, until the connection ends."""
        frames = FrameReader(ANSWER_LIMIT_BYTES)
        why = "the gateway closed the connection"
        try:
            while data := await self._stream.receive_some(RECEIVE_BYTES):
                for body in frames.feed(data):
                    self._hear(decode_gateway_frame(body))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            why = "the connection broke"
        except FrameError as error:
            why = f"the gateway sent what is no frame ({error})"
        except trio.Cancelled:
            why = "this caller was closed"
            raise
        finally:
            self._lose(why)

    async def write(self) -> None:
        """Send once per wake-up what everyone queued."""
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):  # the reading task sees it too
            while True:
                await self._wakeup.wait()
                outgoing, self._outgoing = self._outgoing, []
                if outgoing:
                    await self._stream.send_all(b"".join(outgoing))

    def _check_size(self, rows: int, size_bytes: int) -> None:
        """Refuse here what would never find credits. Raises BatchRefusedError."""
        limits = self.welcome.limits
        if rows > limits.batch_notifications or size_bytes > limits.batch_bytes:
            detail = (
                f"a batch has at most {limits.batch_notifications} notifications and {limits.batch_bytes} bytes, "
                f"this one {rows} and {size_bytes}"
            )
            raise BatchRefusedError(Error(reason="too_large", detail=detail))

    def _hear(self, frame: GatewayFrame) -> None:
        match frame:
            case Accepted() if frame.batch_id in self._sent:
                self._settle(frame.batch_id, frame)
            case Error(batch_id=str(batch_id)) if batch_id in self._sent:
                self._settle(batch_id, frame)
            case Error():
                self._hear_refusal(frame)
            case Results() | DeadTokens() if self._subscription is not None:
                self._subscription.feed(frame)  # type: ignore[arg-type] # it is fed what it was opened for
            case GatewayPong() if self._questions:
                self._questions.popleft().end()
            case Cancelled() | Confirmed() if self._questions:
                self._questions[0].reply = frame
            case GatewayPing():
                self._put(Pong())
            case GatewayGoodbye():
                self._is_draining = True
            case Welcome():
                self._greeting.set(frame)

    def _settle(self, batch_id: str, answer: Accepted | Error) -> None:
        """Give an answer to whoever sent the batch, the first first where several sent the same."""
        sent = self._sent[batch_id]
        batch = sent.popleft()
        if not sent:
            del self._sent[batch_id]
        self._purse.refill(batch.rows, batch.size_bytes)
        if isinstance(answer, Accepted):
            batch.reply.set(answer)
        else:
            batch.reply.fail(BatchRefusedError(answer))

    def _hear_refusal(self, error: Error) -> None:
        """Take an error that names no batch of ours: it is about a question, the subscription or the connection."""
        refusal = RefusedError(error)
        if self._questions:
            self._questions[0].refusal = refusal
        elif self._subscription is not None:
            self._subscription.end(refusal)
        self._last_refusal = refusal

    def _lose(self, why: str) -> None:
        """Tell everybody who waits that nothing will come any more."""
        if self._last_refusal is not None:
            why = f"{why} after {self._last_refusal}"
        self._loss = ConnectionLostError(why)
        self._has_lost.set()
        self._greeting.fail(self._loss)
        self._purse.close()
        for batch in itertools.chain.from_iterable(self._sent.values()):
            batch.reply.fail(self._loss)
        for question in self._questions:
            question.answered.fail(self._loss)
        if self._subscription is not None:
            self._subscription.end(None if self._is_draining else self._loss)

    async def _ask(self, frame: CallerFrame | None) -> GatewayFrame | None:
        """Send a frame and a ping after it; return what came back before the pong. Raises RefusedError."""
        if self._loss is not None:
            raise self._loss
        encoded = [] if frame is None else [encode_checked(frame)]
        question = _Question()
        self._questions.append(question)
        for each in (*encoded, encode_frame(Ping())):
            self._put_bytes(each)
        await question.answered.wait()
        return question.reply

    def _put(self, frame: CallerFrame) -> None:
        self._put_bytes(encode_frame(frame))

    def _put_bytes(self, frame: bytes) -> None:
        self._outgoing.append(frame)
        self._wakeup.set()
