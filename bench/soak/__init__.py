"""A gateway under steady load for minutes: whether it grows, and whether anything is lost or repeated."""

from bench.soak.report import SoakReport
from bench.soak.run import SoakError, SoakOptions, run

__all__ = ["SoakError", "SoakOptions", "SoakReport", "run"]
