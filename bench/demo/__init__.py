"""The main job shown whole on one machine: a caller, a gateway, three providers, every notification accounted for."""

from bench.demo.options import DemoOptions
from bench.demo.printing import print_json, print_report
from bench.demo.progress import make_display
from bench.demo.report import Report
from bench.demo.run import InterruptedRunError, run_demo
from bench.judging.defects import DEMO_DEFECTS

__all__ = [
    "DEMO_DEFECTS",
    "DemoOptions",
    "InterruptedRunError",
    "Report",
    "make_display",
    "print_json",
    "print_report",
    "run_demo",
]
