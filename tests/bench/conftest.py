import pytest

from bench.sink import Certificates, SinkProcess, write_certificates


@pytest.fixture(scope="session")
def certificates(tmp_path_factory) -> Certificates:
    return write_certificates(tmp_path_factory.mktemp("sink"))


@pytest.fixture
def start_sink(certificates):
    """Start sinks that end with the test."""
    sinks: list[SinkProcess] = []

    def start(*, stream_limit: int = 1000, defer_every: int = 0, audits: bool = False) -> SinkProcess:
        sink = SinkProcess(
            certificate_file=certificates.certificate_file,
            key_file=certificates.key_file,
            stream_limit=stream_limit,
            defer_every=defer_every,
            audits=audits,
        )
        sinks.append(sink)
        return sink

    yield start
    for sink in sinks:
        sink.close()


@pytest.fixture
def sink(start_sink) -> SinkProcess:
    return start_sink()
