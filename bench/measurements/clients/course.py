"""Who runs in the session benchmark, and the sink they run against."""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from bench.measurements.clients.h2load import H2load
from bench.measurements.clients.workload import Workload
from bench.sink import Certificates, SinkProcess, write_certificates


class Contender(NamedTuple):
    """A client under test. Slow ones send a share of the requests, so that a round stays short.

    ``most_streams`` is where a library is at its best when that is below what the session gets: h2 and httpx look
    through all their streams for every request.
    """

    name: str
    module: str | None = None
    share: int = 1
    most_streams: int | None = None


NATIVE = Contender("native_session", "bench.measurements.clients.native_session")
H2LOAD = Contender("h2load")
H2LOAD_WITHOUT_AUTHORIZATION = Contender("h2load_without_authorization")
H2_LIBRARY = Contender("h2_library", "bench.measurements.clients.h2_library", share=20, most_streams=100)
HTTPX = Contender("httpx", "bench.measurements.clients.httpx_client", share=150, most_streams=100)
CONTENDERS = (NATIVE, H2LOAD, H2LOAD_WITHOUT_AUTHORIZATION, H2_LIBRARY, HTTPX)


class Course:
    """A running sink and all it takes to send clients against it."""

    def __init__(self, sink: SinkProcess, files: Certificates, h2load: H2load, streams: int) -> None:
        self.sink = sink
        self._files = files
        self._h2load = h2load
        self._streams = streams

    def streams(self, contender: Contender) -> int:
        """Return how many requests the contender has open at a time."""
        return min(self._streams, contender.most_streams or self._streams)

    def command(self, contender: Contender, requests: int) -> list[str]:
        """Return the command line that makes the contender send ``requests`` and end."""
        workload = Workload(self.sink.port, self._files.ca_file, requests, self.streams(contender))
        if contender.module is not None:
            return [sys.executable, "-m", contender.module, *workload.command_options()]
        return self._h2load.command(workload, without_authorization=contender is H2LOAD_WITHOUT_AUTHORIZATION)


@contextmanager
def open_course(*, streams: int, most_requests: int, audits: bool = False) -> Iterator[Course]:
    """Run a sink for clients that send up to ``most_requests`` each. Raises H2loadMissingError."""
    with tempfile.TemporaryDirectory() as name:
        files = write_certificates(Path(name))
        with SinkProcess(
            certificate_file=files.certificate_file, key_file=files.key_file, stream_limit=streams, audits=audits
        ) as sink:
            h2load = H2load(Path(name), port=sink.port, requests=most_requests)
            yield Course(sink, files, h2load, streams)
