"""A gateway under steady load for minutes: whether it grows, and whether anything is lost or repeated."""

from bench.measurements.soak.report import SoakFigures, SoakReport
from bench.measurements.soak.run import SoakError, SoakOptions, run, soak_engine

__all__ = ["SoakError", "SoakFigures", "SoakOptions", "SoakReport", "run", "soak_engine"]
