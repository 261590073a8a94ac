"""Mechanism in Cython over C: the HTTP/2 client session and its request encoder."""

from native.session import Exchange, GoAway, HeaderSet, Requests, Session, SessionStatistics

__all__ = ["Exchange", "GoAway", "HeaderSet", "Requests", "Session", "SessionStatistics"]
