"""HTTP/2 servers on a memory stream that are open and talk, and don't serve as they should."""

from contextlib import suppress

import trio
from h2.settings import SettingCodes

from tests.support.http2_peer import Peer


class StrangePeer:
    """Answers the first ``answers`` requests, and whatever else HTTP/2 wants answered.

    Then it says GOAWAY and closes, where ``closes`` says so, or allows ``streams_after``. ``opens_windows`` is False
    for one whose connection window is never renewed.
    """

    def __init__(
        self,
        peer: Peer,
        *,
        answers: int,
        status: int = 200,
        closes: bool = False,
        streams_after: int | None = None,
        opens_windows: bool = True,
    ) -> None:
        self._peer = peer
        self._answers = answers
        self._status = status
        self._closes = closes
        self._streams_after = streams_after
        peer.acknowledges_bodies = opens_windows
        self._last_answered = 0
        self.unanswered = 0

    async def serve(self, stream: trio.abc.Stream) -> None:
        """Be the server of one connection."""
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            await stream.send_all(self._peer.take())
            while data := await stream.receive_some():
                self._peer.receive(bytes(data))
                self._answer()
                is_last = self._closes and not self._answers
                if is_last:
                    self._peer.connection.close_connection(last_stream_id=self._last_answered)
                await stream.send_all(self._peer.take())
                if is_last:
                    break
                await trio.lowlevel.checkpoint()
        await trio.aclose_forcefully(stream)

    def _answer(self) -> None:
        for stream_id in self._peer.whole:
            if self._answers and self._peer.received[stream_id].reset_code is None:
                self._answers -= 1
                self._peer.answer(stream_id, self._status)
                self._last_answered = stream_id
                del self._peer.received[stream_id]
                if not self._answers and self._streams_after is not None:
                    self._peer.connection.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: self._streams_after})
        self.unanswered = len(self._peer.whole)
