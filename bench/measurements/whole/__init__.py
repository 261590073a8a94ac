"""The whole gateway, from its door to its results, against the native sink: what a notification costs it."""

from bench.measurements.whole.calls import count_calls
from bench.measurements.whole.report import WholeReport
from bench.measurements.whole.run import run

__all__ = ["WholeReport", "count_calls", "run"]
