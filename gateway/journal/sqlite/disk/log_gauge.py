"""How far SQLite's write-ahead log is filled: read from the wal-index, for the file itself never shrinks.

The header of ``-shm`` has the number of frames as 32 bits in the machine's order at byte 16, and at byte 32 the salts
as they stand in the log (sqlite.org/walformat.html, 2.1). The file stays open as long as the journal: closing any
descriptor of it would drop SQLite's own locks on it (fcntl(2)), which is harmless only when nobody uses it any more.
"""

import os
import struct
import sys
from pathlib import Path

FRAME_HEADER_BYTES = 24
_FRAMES_AT = 16
_SALTS = struct.Struct(">2I")
_SALTS_AT = 32


class LogGauge:
    """Opened after a connection has read the database, closed after all connections are."""

    def __init__(self, database: Path, page_bytes: int) -> None:
        self._frame_bytes = page_bytes + FRAME_HEADER_BYTES
        self._descriptor = os.open(database.with_name(f"{database.name}-shm"), os.O_RDONLY | os.O_CLOEXEC)

    def count_frames(self) -> int:
        """Return the number of frames that are committed."""
        return int.from_bytes(os.pread(self._descriptor, 4, _FRAMES_AT), sys.byteorder)

    def read_bytes(self) -> int:
        """Return the bytes of the log that are in use."""
        return self.count_frames() * self._frame_bytes

    def read_salts(self) -> tuple[int, int]:
        """Return what tells this log from the one before it."""
        first, second = _SALTS.unpack(os.pread(self._descriptor, _SALTS.size, _SALTS_AT))
        return first, second

    def close(self) -> None:
        """See the class."""
        os.close(self._descriptor)
