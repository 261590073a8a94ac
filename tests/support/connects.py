"""Every connect that this process asks the system for, seen where none can pass unseen: in the interpreter's audit."""

import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_recording: list[list[str]] = []


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if _recording and event == "socket.connect":
        connecting, address = arguments
        if connecting.family in {socket.AF_INET, socket.AF_INET6}:
            _recording[-1].append(str(address[0]))


# An audit hook stays for good: it does nothing but while something records.
sys.addaudithook(_hear)


@contextmanager
def recording_connects() -> Iterator[list[str]]:
    """Record the IP addresses that are connected to in the block, whether anyone answers there or not."""
    connects: list[str] = []
    _recording.append(connects)
    try:
        yield connects
    finally:
        _recording.remove(connects)
