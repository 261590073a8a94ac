"""Credentials proved at the providers themselves, without a user: `pushmill check-config --live`."""

from gateway.live.check import check_live, find_exit_code
from gateway.live.findings import Finding, ProbeAnswer, Word
from gateway.live.probes import Choice, Probe, UnknownChoiceError, plan_probes

__all__ = [
    "Choice",
    "Finding",
    "Probe",
    "ProbeAnswer",
    "UnknownChoiceError",
    "Word",
    "check_live",
    "find_exit_code",
    "plan_probes",
]
