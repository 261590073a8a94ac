"""One caller's connection, from its first byte to its last.

Its tasks: the one that reads frames, one writer, the pipeline's workers, and one that feeds results. They end in this
order, whoever begins:

- The *input* ends when the peer closes its side or says goodbye, breaks a rule, or the door ends the connection. What
  was read before is still answered. Results go on only after a plain end of input, until the peer is gone or, since it
  can't acknowledge any more, their window is full.
- The *output* ends when nothing is left to be said; a peer that does not take the rest in time loses it.
- A peer that is *gone* (reset, or written to in vain) ends everything at once. What was accepted stays accepted.

A frame has ``frame_timeout_seconds`` from its first byte on; the same bounds the TLS handshake and ``hello``. Between
frames a caller may be silent for ever: TCP's keepalive tells whether it is still there.
"""

from math import inf

import structlog
import trio

from gateway.ingress.closing import linger
from gateway.ingress.conversation import Conversation, Services
from gateway.ingress.credits import CreditLedger
from gateway.ingress.outbox import Outbox
from gateway.ingress.refusals import describe_refusal
from protocol.frames import FrameError, FrameReader, GatewayGoodbye, encode_frame
from protocol.reasons import Reason

RECEIVE_BYTES = 64 * 1024

_log: structlog.stdlib.BoundLogger = structlog.get_logger("ingress")


class Connection:
    """See the module text. ``serve`` is the one long call; the door may make the others meanwhile."""

    def __init__(self, stream: trio.abc.Stream, services: Services) -> None:
        limits = services.limits
        self._stream = stream
        self._services = services
        self._timeout_seconds = limits.frame_timeout_seconds
        self._ledger = CreditLedger(limits.connection_credit_notifications, limits.connection_credit_bytes)
        self._outbox = Outbox(self._ledger)
        self._frames = FrameReader(limits.batch_bytes)
        self._frame_deadline = trio.current_time() + self._timeout_seconds
        self._reading = trio.CancelScope()
        self._conversation: Conversation | None = None

    def __repr__(self) -> str:
        return f"<Connection {self._ledger!r}>"

    def begin_drain(self) -> None:
        """Tell the peer that new batches should go elsewhere; everything else goes on."""
        self._outbox.put_response(encode_frame(GatewayGoodbye()))

    def end_when_idle(self) -> None:
        """End once all batches are answered and the results that are there were sent."""
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
            await self._serve_input_and_output()
            await linger(self._stream)
        except* (trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError):
            _log.debug("peer_gone")
        finally:
            if self._conversation is not None:
                self._conversation.abandon()
            await trio.aclose_forcefully(self._stream)

    async def _serve_input_and_output(self) -> None:
        async with trio.open_nursery() as output:
            output.start_soon(self._outbox.write_to, self._stream)
            async with trio.open_nursery() as work:
                self._conversation = Conversation(
                    self._services,
                    outbox=self._outbox,
                    ledger=self._ledger,
                    nursery=work,
                    input_scope=self._reading,
                )
                await self._serve_input(self._conversation)
            self._outbox.finish()
            output.cancel_scope.deadline = trio.current_time() + self._timeout_seconds

    async def _serve_input(self, conversation: Conversation) -> None:
        try:
            with self._reading:
                await self._read_frames(conversation)
        except FrameError as refusal:
            _log.info("connection_refused", reason=refusal.reason.word, field=refusal.field, detail=refusal.detail)
            self._outbox.put_response(encode_frame(describe_refusal(refusal)))
            conversation.end_results()
        else:
            conversation.end_results_when_full()

    async def _read_frames(self, conversation: Conversation) -> None:
        """Read until the input ends. Raises FrameError."""
        while True:
            data = await self._receive()
            if not data:
                self._check_ended_between_frames()
                return
            began_anew = not self._frames.is_mid_frame
            for body in self._frames.feed(data):
                began_anew = True
                await conversation.hear(body)
            await self._outbox.wait_room()
            self._set_deadline(conversation, began_anew)

    async def _receive(self) -> bytes | bytearray:
        with trio.move_on_at(self._frame_deadline):
            return await self._stream.receive_some(RECEIVE_BYTES)
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
