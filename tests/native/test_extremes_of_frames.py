"""The extremes of every number in a peer's frames cost about what their bytes do: none becomes a size or a loop."""

import gc
import os
import time
from collections.abc import Iterator

import pytest

from native import Session, live_objects
from protocol.errors import RemoteProtocolError
from tests.support.http2_peer import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PING,
    RST_STREAM,
    SETTINGS,
    STATUS_200,
    WINDOW_UPDATE,
    frame,
    settings_frame,
)
from tests.support.sessions import make_requests, make_session, pull_all, submit_all

PRIORITY, PUSH_PROMISE, ALTSVC, ORIGIN, UNKNOWN = 2, 5, 10, 12, 200
PADDED, PRIORITIZED = 8, 32
NUMBERS = (0, 1, 2, 2**14 - 1, 2**14, 2**16, 2**24 - 1, 2**24, 2**31 - 1, 2**31, 2**32 - 1)
SETTING_NAMES = {1: "table", 2: "push", 3: "streams", 4: "window", 5: "frame", 6: "list", 8: "connect", 9: "unknown"}
# AddressSanitizer checks each access and keeps what was freed for a while.
SLOWER = 10 if "libasan" in os.environ.get("LD_PRELOAD", "") else 1
CPU_SECONDS = 0.05 * SLOWER
TRIES = 3  # what a frame costs it costs each time; a busy machine does not come three times
MEMORY_BYTES = 2 * 1024 * 1024 * SLOWER
ROWS = 200


def numbered(number: int) -> bytes:
    return number.to_bytes(4, "big")


def hpack_number(first: int, prefix_bits: int, number: int) -> bytes:
    """Encode an integer (RFC 7541 section 5.1)."""
    most = 2**prefix_bits - 1
    if number < most:
        return bytes([first | number])
    encoded, number = bytes([first | most]), number - most
    while number >= 128:
        encoded, number = encoded + bytes([number % 128 + 128]), number // 128
    return encoded + bytes([number])


def answers_with(name: bytes, value: bytes) -> bytes:
    block = STATUS_200 + b"\x00" + hpack_number(0, 7, len(name)) + name + hpack_number(0, 7, len(value)) + value
    return frame(HEADERS, END_HEADERS | END_STREAM, 1, block)


def extreme_frames() -> Iterator[tuple[str, bytes]]:
    for code, name in SETTING_NAMES.items():
        for number in NUMBERS:
            yield f"settings {name}={number}", settings_frame((code, number))
            yield f"settings {name}={number} 2,700 times", settings_frame(*[(code, number)] * 2700)
    for number in NUMBERS:
        for stream_id in (0, 1, 2, 2**31 - 1):
            yield f"window {stream_id}+{number}", frame(WINDOW_UPDATE, 0, stream_id, numbered(number))
            yield (
                f"window {stream_id}+{number} 5,000 times",
                frame(WINDOW_UPDATE, 0, stream_id, numbered(number)) * 5000,
            )
            yield f"reset {stream_id}:{number}", frame(RST_STREAM, 0, stream_id, numbered(number))
            yield f"goaway {stream_id}:{number}", frame(GOAWAY, 0, 0, numbered(stream_id) + numbered(number))
        yield f"goaway with data {number}", frame(GOAWAY, 0, 0, numbered(1) + numbered(number) + b"x" * 16000)
        yield f"goaway {number} 1,000 times", frame(GOAWAY, 0, 0, numbered(number) + bytes(4) + b"x" * 200) * 1000
        yield f"promise {number}", frame(PUSH_PROMISE, END_HEADERS, 1, numbered(number) + b"\x82\x86\x84\x41\x01a")
        yield f"priority {number}", frame(PRIORITY, 0, 1, numbered(number) + b"\xff") * 3000
        for kind in (ALTSVC, ORIGIN, UNKNOWN):
            yield f"type {kind}, {number}", frame(kind, 0, 0, numbered(number) + b"x" * 16000) * 10
        for what, first, bits in (("index", 0x80, 7), ("name", 0x40, 6), ("length", 0, 7), ("table", 0x20, 5)):
            for factor in (1, 2**32):
                integer = (b"\x40" if what == "length" else b"") + hpack_number(first, bits, number * factor)
                block = integer + STATUS_200 if what == "table" else STATUS_200 + integer
                yield f"hpack {what}={number * factor}", frame(HEADERS, END_HEADERS | END_STREAM, 1, block)
        yield f"content-length {number}", answers_with(b"content-length", b"%d" % number)
    yield "content-length of 4,000 digits", answers_with(b"content-length", b"9" * 4000)
    yield "content-length below nought", answers_with(b"content-length", b"-1")
    yield "status of many digits", frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\x08\x0a2000000000")
    yield "table size, changed 16,000 times", frame(HEADERS, END_HEADERS, 1, b"\x3f\xe1\x1f\x20" * 4000)
    yield "empty continuations", frame(HEADERS, 0, 1, STATUS_200) + frame(CONTINUATION, 0, 1, b"") * 5000
    yield "empty data", frame(HEADERS, END_HEADERS, 1, STATUS_200) + frame(DATA, 0, 1, b"") * 5000
    yield (
        "padding alone",
        frame(HEADERS, END_HEADERS, 1, STATUS_200) + frame(DATA, PADDED, 1, b"\xff" + bytes(255)) * 200,
    )
    yield "more padding than frame", frame(DATA, PADDED, 1, b"\xff" + bytes(20))
    yield "padded headers", frame(HEADERS, PADDED | PRIORITIZED | END_HEADERS, 1, b"\xff" + bytes(300))
    yield "a frame that announces 16 MiB", b"\xff\xff\xff" + frame(DATA, 0, 1, b"")[3:]
    yield "1xx without end", frame(HEADERS, END_HEADERS, 1, b"\x08\x03103") * 4000
    yield "settings acknowledged 7,000 times", frame(SETTINGS, 1) * 7000
    yield "pings", frame(PING, 0, 0, bytes(8)) * 3800
    yield "pings of ours answered", frame(PING, 1, 0, bytes(8)) * 3800


EXTREMES = dict(extreme_frames())


def memory_bytes() -> int:
    with open("/proc/self/statm") as sizes:  # noqa: PTH123 - a file of the kernel's
        return int(sizes.read().split()[1]) * 4096


def open_session() -> tuple[Session, list[object]]:
    session = make_session()
    session.feed(settings_frame((3, 1000)) + frame(SETTINGS, 1), 0.0)
    requests = make_requests(ROWS, body=b"x" * 400)
    submit_all(session, requests, 1.0)
    pull_all(session, 1.0)
    return session, [requests]


def live_through(session: Session, data: bytes) -> float:
    """Feed the frames, send on, and end everything; return the processor seconds."""
    began = time.process_time()
    try:
        session.feed(data, 2.0)
        while session.has_unread:
            session.feed(b"", 2.0)
        submit_all(session, make_requests(ROWS, body=b"x" * 400), 2.0)
        pull_all(session, 2.0)
        session.expire(3.0)
        session.withdraw(3.0)
    except RemoteProtocolError as error:
        session.leave(error.code)
    session.close(4.0)
    return time.process_time() - began


@pytest.mark.parametrize("what", EXTREMES)
def test_an_extreme_costs_little_and_leaves_nothing(what: str) -> None:
    gc.collect()  # what tests before this one left in cycles is not ours
    before = live_objects()
    seconds = []
    for _ in range(TRIES):
        session, kept = open_session()
        memory = memory_bytes()
        seconds.append(live_through(session, EXTREMES[what]))
        assert memory_bytes() - memory <= MEMORY_BYTES
        del session, kept
        if seconds[-1] <= CPU_SECONDS:
            break
    assert min(seconds) <= CPU_SECONDS
    assert live_objects() == before
