"""Two trees of this project, measured by the same bench in turn: by how much one is dearer than the other."""

from bench.compare.figures import COMPARED
from bench.compare.report import CompareReport, Limit
from bench.compare.run import run
from bench.compare.tree import TreeError

__all__ = ["COMPARED", "CompareReport", "Limit", "TreeError", "run"]
