"""Two trees of this project, measured by the same bench in turn: by how much one is dearer than the other."""

from bench.measurements.compare.figures import COMPARED
from bench.measurements.compare.report import CompareReport, Limit
from bench.measurements.compare.run import run
from bench.measurements.compare.tree import TreeError

__all__ = ["COMPARED", "CompareReport", "Limit", "TreeError", "run"]
