"""``python -m bench.sink``: one JSON line with the port once it listens, one with the counts on SIGTERM or SIGINT."""

import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from bench.sink.counters import SharedCounters
from bench.sink.process import SinkReport
from bench.sink.server import TlsContext, serve

_BACKLOG = 1024


class _Audit:
    """Remembers every path and apns-id to tell how many differ."""

    def __init__(self) -> None:
        self.paths: set[bytes] = set()
        self.apns_ids: set[bytes] = set()

    def __call__(self, path: bytes, apns_id: bytes) -> None:
        self.paths.add(path)
        self.apns_ids.add(apns_id)


def _open_stop_descriptor() -> socket.socket:
    """Return a socket that becomes readable on SIGTERM or SIGINT: the serving loop runs no Python that could notice."""
    stop, wake_up = socket.socketpair()
    wake_up.setblocking(False)
    signal.set_wakeup_fd(wake_up.detach())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: None)
    return stop


def _report(counters: SharedCounters, cpu_seconds: float, audit: _Audit | None) -> SinkReport:
    counts = counters.read()
    return SinkReport(
        requests=counts.requests,
        connections=counts.connections,
        body_bytes=counts.body_bytes,
        received_bytes=counts.received_bytes,
        refused_streams=counts.refused_streams,
        protocol_errors=counts.protocol_errors,
        deferred=counts.deferred,
        cpu_seconds=cpu_seconds,
        cpu_microseconds_per_request=cpu_seconds * 1e6 / counts.requests if counts.requests else None,
        distinct_paths=len(audit.paths) if audit else None,
        distinct_apns_ids=len(audit.apns_ids) if audit else None,
    )


def _print_line(record: object) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(record) + b"\n")
    sys.stdout.flush()


def main(
    *,
    certificate: Annotated[Path, typer.Option(help="Certificate chain, PEM.")],
    key: Annotated[Path, typer.Option(help="Private key, PEM.")],
    port: Annotated[int, typer.Option(help="Loopback port; 0 takes a free one.")] = 0,
    max_concurrent_streams: Annotated[int, typer.Option(min=1, help="What SETTINGS allows a connection.")] = 1000,
    defer_every: Annotated[int, typer.Option(min=0, help="Answer each so many-th request 503; 0 answers none so.")] = 0,
    counters: Annotated[int | None, typer.Option(help="Inherited descriptor of a page to count in.")] = None,
    audit: Annotated[bool, typer.Option("--audit", help="Count distinct paths and apns-ids; slow.")] = False,
) -> None:
    """Answer every request on loopback with 200 and its own apns-id, and count: HTTP/2, TLS 1.3, AES-128-GCM."""
    try:
        tls = TlsContext(certificate_file=os.fspath(certificate), key_file=os.fspath(key))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    stop = _open_stop_descriptor()
    page = SharedCounters(counters) if counters is not None else SharedCounters.create()
    requests = _Audit() if audit else None
    with socket.create_server(("127.0.0.1", port), backlog=_BACKLOG) as listener:
        listener.setblocking(False)
        _print_line({"port": listener.getsockname()[1]})
        started = time.process_time()
        serve(
            tls,
            listener=listener.fileno(),
            stop=stop.fileno(),
            counters=page.numbers,
            stream_limit=max_concurrent_streams,
            defer_every=defer_every,
            audit=requests,
        )
        cpu_seconds = time.process_time() - started
    _print_line(_report(page, cpu_seconds, requests))


if __name__ == "__main__":
    typer.run(main)
