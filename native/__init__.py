"""Mechanism in Cython over C: the HTTP/2 client session and its request encoder."""

from native.memory import fail_allocation_after, live_objects
from native.records import Exchange, GoAway, SessionStatistics
from native.requests import HeaderSet, Requests
from native.session import Session

__all__ = [
    "Exchange",
    "GoAway",
    "HeaderSet",
    "Requests",
    "Session",
    "SessionStatistics",
    "fail_allocation_after",
    "live_objects",
]
