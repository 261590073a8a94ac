"""A server that costs next to nothing: HTTP/2 over TLS, answers 200, echoes ``apns-id``, counts, knows its own cost."""

from bench.sink.counters import SinkCounters
from bench.sink.process import SinkProcess, SinkReport

__all__ = ["SinkCounters", "SinkProcess", "SinkReport"]
