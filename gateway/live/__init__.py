"""Credentials proved at the providers themselves, without a user: `pushmill check-config --live`."""

from gateway.live.check import check_live, find_exit_code
from gateway.live.findings import Answer, Finding, Word
from gateway.live.probes import Choice, Probe, UnknownChoiceError, plan_probes

__all__ = [
    "Answer",
    "Choice",
    "Finding",
    "Probe",
    "UnknownChoiceError",
    "Word",
    "check_live",
    "find_exit_code",
    "plan_probes",
]
