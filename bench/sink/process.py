"""The sink as a child process: started, watched and stopped by whoever measures."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Self

import msgspec

from bench.sink.counters import SharedCounters, SinkCounters

_STOP_TIMEOUT_SECONDS = 10.0


class SinkReport(msgspec.Struct, frozen=True, kw_only=True):
    """The sink's own account of its life, as it prints it on SIGTERM."""

    requests: int
    connections: int
    body_bytes: int
    received_bytes: int
    refused_streams: int
    protocol_errors: int
    deferred: int
    cpu_seconds: float
    cpu_microseconds_per_request: float | None
    distinct_paths: int | None = None
    distinct_apns_ids: int | None = None


class SinkError(Exception):
    """The sink did not start or did not report; the message has its exit status."""


class SinkProcess:
    """A running sink on a loopback port that it chose itself. A context manager: leaving it stops the process."""

    def __init__(
        self,
        *,
        certificate_file: Path,
        key_file: Path,
        stream_limit: int = 1000,
        defer_every: int = 0,
        audits: bool = False,
    ) -> None:
        self._counters = SharedCounters.create()
        command = [sys.executable, "-m", "bench.sink", "--port", "0"]
        command += ["--certificate", str(certificate_file), "--key", str(key_file)]
        command += ["--max-concurrent-streams", str(stream_limit), "--counters", str(self._counters.descriptor)]
        command += ["--defer-every", str(defer_every)]
        command += ["--audit"] if audits else []
        # In a process group of its own, so that Ctrl-C leaves it to us to end the sink.
        self._process = subprocess.Popen(  # noqa: S603 - our own module, every argument is ours
            command,
            stdout=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            pass_fds=[self._counters.descriptor],
            process_group=0,
        )
        try:
            self.port = self._read_port()
        except BaseException:
            self.close()
            raise

    def _read_port(self) -> int:
        assert self._process.stdout is not None  # noqa: S101 - for mypy: it is a pipe
        line = self._process.stdout.readline()
        if not line:
            raise SinkError(f"the sink ended with status {self._process.wait()} before it listened")
        port: int = msgspec.json.decode(line, type=dict[str, int])["port"]
        return port

    @property
    def pid(self) -> int:
        """The sink's process id."""
        return self._process.pid

    @property
    def requests(self) -> int:
        """How many requests the sink has answered until now."""
        return self._counters.requests

    def counters(self) -> SinkCounters:
        """Return everything the sink counts, as of now."""
        return self._counters.read()

    def stop(self) -> SinkReport:
        """End the sink and return its report. Raises SinkError if there is none."""
        self._process.send_signal(signal.SIGTERM)
        output, _ = self._process.communicate(timeout=_STOP_TIMEOUT_SECONDS)
        if not output:
            raise SinkError(f"the sink ended with status {self._process.returncode} and without a report")
        return msgspec.json.decode(output, type=SinkReport)

    def close(self) -> None:
        """Make sure that the process is gone, and release what was shared with it."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._counters.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
