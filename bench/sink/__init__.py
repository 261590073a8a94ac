"""A server that costs next to nothing: HTTP/2 over TLS, answers 200, echoes ``apns-id``, counts, knows its own cost."""

from bench.sink.certificates import Certificates, write_certificates
from bench.sink.counters import SinkCounters
from bench.sink.process import SinkError, SinkProcess, SinkReport

__all__ = ["Certificates", "SinkCounters", "SinkError", "SinkProcess", "SinkReport", "write_certificates"]
