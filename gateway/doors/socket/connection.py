"""One caller's connection, from its first byte to its last.

Its tasks: the one that reads frames, one writer, the pipeline's workers, and one that feeds results. They end in this
order, whoever begins:

- The *input* ends when the peer closes its side or says goodbye, breaks a rule, or the door ends the connection. What
  was read before is still answered. After a plain end of input the results that are there are sent too, as far as the
  window of a peer goes that can't acknowledge any more.
- The *output* ends when nothing is left to be said; a peer that does not take the rest in time loses it.
- A peer that is *gone* (reset, written to in vain, or taking nothing for too long) ends everything at once. What was
  accepted stays accepted.

A frame has ``frame_timeout_seconds`` from its first byte on; the same bounds the TLS handshake and ``hello``. Between
frames a caller may be silent for ever: TCP's keepalive tells whether it is still there. Frames are dealt with in turns
with those of all other connections (:mod:`gateway.intake.turns`), and what all of them hold of frames that are not
whole and of answers that are not taken is bounded (:mod:`gateway.doors.socket.buffers`).

A connection is freed by reference counts when it has ended: nothing that it holds refers back to it.
"""

from collections.abc import Iterator
from math import inf

import structlog
import trio

from gateway.access import Evidence
from gateway.doors.socket.buffers import BufferShare
from gateway.doors.socket.closing import linger
from gateway.doors.socket.conversation import Conversation, Question, Services
from gateway.doors.socket.outbox import Outbox
from gateway.doors.socket.peers import find_user
from gateway.intake.credits import CreditLedger
from gateway.intake.refusals import ShedError, describe_refusal
from gateway.intake.turns import TURN_COST, TurnAccount
from protocol.frames import FrameError, FrameReader, GatewayGoodbye, encode_frame
from protocol.reasons import Reason

RECEIVE_BYTES = 64 * 1024
# What one connection's frames may take of a turn of the loop, some 0.05 ms: as much as SLICE_FRAMES small ones.
SLICE_FRAMES = 8
SLICE_BYTES = 64 * 1024
# With the turn of the loop that each of them takes when it is paced.
FRUITLESS_SLICE_COST = 2 * TURN_COST
# When the gateway ends, this long for a peer that takes nothing of the last that it is sent.
LAST_WORDS_SECONDS = 2.0

_log: structlog.stdlib.BoundLogger = structlog.get_logger("door")


class Connection:
    """See the module text. ``serve`` is the one long call; the door may make the others meanwhile."""

    def __init__(self, stream: trio.abc.Stream, services: Services) -> None:
        limits = services.limits
        self._stream = stream
        self._services = services
        self._timeout_seconds = limits.frame_timeout_seconds
        self._ledger = CreditLedger(limits.connection_credit_notifications, limits.connection_credit_bytes)
        self._unfinished = BufferShare(services.buffers)
        self._unsent = BufferShare(services.buffers)
        self._outbox = Outbox(self._ledger, self._unsent, limits.unread_timeout_seconds)
        self._frames = FrameReader(limits.batch_bytes)
        self._account = TurnAccount(services.turns)
        self._frame_deadline = trio.current_time() + self._timeout_seconds
        self._reading = trio.CancelScope()
        self._conversation: Conversation | None = None

    def __repr__(self) -> str:
        return f"<Connection {self._ledger!r}>"

    def begin_drain(self) -> None:
        """Tell the peer that new batches should go elsewhere; everything else goes on."""
        self._outbox.put_response(encode_frame(GatewayGoodbye()))

    def end_when_idle(self) -> None:
        """End once all batches are answered and the results that are there were sent, if the peer takes them."""
        self._outbox.hurry(LAST_WORDS_SECONDS)
        if self._conversation is None:
            self._reading.cancel()
        else:
            self._conversation.end_when_idle()

    async def serve(self) -> None:
        """Talk with the peer until both sides are done, then close the stream. Whatever the peer does is survived."""
        try:
            if isinstance(self._stream, trio.SSLStream):
                with trio.fail_after(self._timeout_seconds):
                    await self._stream.do_handshake()
            with trio.CancelScope() as self._unsent.scope:
                await self._serve_input_and_output()
                await linger(self._stream, self._services.turns, self._account)
            if self._unsent.is_evicted:
                _log.warning("connection_dropped", reason="too much of what all callers are sent is unread")
        except* (trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError):
            _log.debug("peer_gone")
        finally:
            if self._conversation is not None:
                self._conversation.abandon()
            self._unfinished.close()
            self._unsent.close()
            self._frames.clear()
            await trio.aclose_forcefully(self._stream)

    async def _serve_input_and_output(self) -> None:
        async with trio.open_nursery() as output:
            output.start_soon(self._outbox.write_to, self._stream)
            async with trio.open_nursery() as feeding:
                async with trio.open_nursery() as working:
                    self._conversation = Conversation(
                        self._services,
                        evidence=Evidence(user=find_user(self._stream)),
                        outbox=self._outbox,
                        ledger=self._ledger,
                        account=self._account,
                        working=working,
                        feeding=feeding,
                        input_scope=self._reading,
                    )
                    await self._serve_input(self._conversation)
                self._conversation.end_unheard()
            self._outbox.finish()
            output.cancel_scope.deadline = trio.current_time() + self._timeout_seconds

    async def _serve_input(self, conversation: Conversation) -> None:
        try:
            with self._reading:
                await self._read_frames(conversation)
        except (FrameError, ShedError) as refusal:
            _log.info("connection_refused", reason=refusal.reason.word, field=refusal.field, detail=refusal.detail)
            self._outbox.put_response(encode_frame(describe_refusal(refusal)))
            conversation.end_results()
        self._frames.clear()
        self._unfinished.close()

    async def _read_frames(self, conversation: Conversation) -> None:
        """Read until the input ends. Raises FrameError, ShedError."""
        while True:
            data = await self._receive()
            if not data:
                self._check_ended_between_frames()
                return
            is_mid_frame = self._frames.is_mid_frame
            bodies = self._frames.feed(data)
            brings_frames = self._frames.has_next
            if brings_frames:
                await self._hear(conversation, bodies)
            began_anew = brings_frames or not is_mid_frame
            self._unfinished.resize(self._frames.held_bytes, progressed=began_anew)
            self._set_deadline(conversation, began_anew)
            if not brings_frames:
                await self._services.unfinished.wait(TURN_COST)
                await self._services.turns.wait_last(self._account)

    async def _hear(self, conversation: Conversation, bodies: Iterator[bytes]) -> None:
        """Have frames dealt with, a slice in each turn. Raises FrameError."""
        turns = self._services.turns
        self._account.begin()
        try:
            while self._frames.has_next:
                batches = conversation.batches
                held = await turns.take(self._account, TURN_COST)
                try:
                    question = self._hear_slice(conversation, bodies)
                finally:
                    await turns.pass_on(held)
                if question is not None:
                    await conversation.ask(question)
                elif conversation.batches == batches and self._account.is_busy:
                    await self._services.fruitless.wait(FRUITLESS_SLICE_COST)
                await self._outbox.wait_room()
        finally:
            self._account.end()

    def _hear_slice(self, conversation: Conversation, bodies: Iterator[bytes]) -> Question | None:
        """Deal with a few frames; return one that has to wait, and ends the slice."""
        size_bytes = 0
        end = conversation.weight + SLICE_FRAMES
        for body in bodies:
            question = conversation.hear(body)
            size_bytes += len(body)
            is_full = conversation.weight >= end or size_bytes >= SLICE_BYTES
            if question is not None or is_full or not self._outbox.has_room:
                return question
        return None

    async def _receive(self) -> bytes | bytearray:
        if not self._unfinished.is_evicted:
            with trio.CancelScope(deadline=self._frame_deadline) as self._unfinished.scope:
                return await self._stream.receive_some(RECEIVE_BYTES)
        if self._unfinished.is_evicted:
            raise self._services.admission.shed_unfinished()
        detail = f"a frame was not whole {self._timeout_seconds:g} s after it began"
        raise FrameError(Reason.TIMEOUT, None, detail)

    def _set_deadline(self, conversation: Conversation, began_anew: bool) -> None:
        """Give a frame that began just now its time, counted from when what came before it was dealt with."""
        if not self._frames.is_mid_frame:
            self._frame_deadline = inf if conversation.is_greeted else self._frame_deadline
        elif began_anew and conversation.is_greeted:
            self._frame_deadline = trio.current_time() + self._timeout_seconds

    def _check_ended_between_frames(self) -> None:
        if self._frames.is_mid_frame:
            raise FrameError(Reason.MALFORMED, None, "the input ended inside a frame")
