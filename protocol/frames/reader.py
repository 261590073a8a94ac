"""Frames out of a stream of bytes."""

from collections.abc import Iterator

from protocol.frames.codec import LENGTH_BYTES, FrameError
from protocol.reasons import Reason


class FrameReader:
    """Cuts a stream of bytes into frame bodies. Holds at most one unfinished frame of ``limit_bytes``."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._buffer = bytearray()

    @property
    def is_mid_frame(self) -> bool:
        """Whether a frame has begun and not ended; true for whole frames that were not taken yet, too."""
        return bool(self._buffer)

    @property
    def has_next(self) -> bool:
        """Whether the iterator of the last ``feed`` has another body, or raises."""
        if len(self._buffer) < LENGTH_BYTES:
            return False
        length = self._read_length()
        return length > self._limit_bytes or len(self._buffer) >= LENGTH_BYTES + length

    @property
    def held_bytes(self) -> int:
        """How much has been received and not been taken."""
        return len(self._buffer)

    def clear(self) -> None:
        """Forget what has begun; for a stream that is given up."""
        self._buffer.clear()

    def _read_length(self) -> int:
        return int.from_bytes(self._buffer[:LENGTH_BYTES], "big")

    def feed(self, data: bytes | bytearray | memoryview) -> Iterator[bytes]:
        """Take received bytes and return an iterator over the bodies that are complete.

        It raises FrameError in the place of a frame that announces more than the limit; nothing can be read after
        that. Bodies that are not taken from it come first out of the next call.
        """
        self._buffer += data
        return self._bodies()

    def _bodies(self) -> Iterator[bytes]:
        while len(self._buffer) >= LENGTH_BYTES:
            length = self._read_length()
            if length > self._limit_bytes:
                raise FrameError(
                    Reason.TOO_LARGE, None, f"a frame has at most {self._limit_bytes} bytes, this one {length}"
                )
            end = LENGTH_BYTES + length
            if len(self._buffer) < end:
                return
            with memoryview(self._buffer) as view:
                body = bytes(view[LENGTH_BYTES:end])
            del self._buffer[:end]
            yield body
