"""What a simulator counts."""

from collections import Counter

import msgspec

from bench.simulators.server.answers import Answer


class Statistics(msgspec.Struct, frozen=True):
    """A moment's counts since the start."""

    connections: int
    """Connections that reached HTTP."""
    connections_open: int
    refused_handshakes: int
    """Connections without TLS 1.2, or that gave up."""
    requests: int
    """Requests seen whole and taken; those above a GOAWAY's last-stream-id are in ``unprocessed`` alone."""
    unprocessed: int
    """Requests that the client was told were not processed."""
    statuses: dict[int, int]
    """Answers by status."""
    reasons: dict[str, int]
    """Answers by reason."""
    goaways: int
    stream_limit_violations: int
    protocol_errors: int

    def summary(self) -> str:
        """Return a line for people, and a further one for each reason."""
        answers = ", ".join(f"{count} x {status}" for status, count in sorted(self.statuses.items())) or "no answers"
        reasons = "".join(f"\n  {count} x {reason}" for reason, count in sorted(self.reasons.items()))
        return (
            f"{self.requests} requests on {self.connections} connections: {answers}; "
            f"{self.unprocessed} unprocessed, {self.goaways} GOAWAY, "
            f"{self.stream_limit_violations} stream limit violations, {self.protocol_errors} protocol errors, "
            f"{self.refused_handshakes} refused handshakes{reasons}"
        )


class Counts:
    """The same, counting."""

    def __init__(self) -> None:
        self.connections = 0
        self.connections_open = 0
        self.refused_handshakes = 0
        self.requests = 0
        self.unprocessed = 0
        self.statuses: Counter[int] = Counter()
        self.reasons: Counter[str] = Counter()
        self.goaways = 0
        self.stream_limit_violations = 0
        self.protocol_errors = 0

    def count_settled(self, answer: Answer | None, *, processed: bool) -> None:
        """Count what became of one request."""
        if not processed:
            self.unprocessed += 1
        if answer is not None:
            self.statuses[answer.status] += 1
            if answer.reason is not None:
                self.reasons[answer.reason] += 1

    def freeze(self) -> Statistics:
        """Return the counts of this moment."""
        return Statistics(**{**vars(self), "statuses": dict(self.statuses), "reasons": dict(self.reasons)})
