"""The states of a notification and every way between them: the one table (design: states).

Each state becomes true at one instant:

- *accepted*: the engine's commit returned; only then may the caller hear it.
- *scheduled*: ``not_before`` or a retry's time lies ahead.
- *queued*: it is due and waits in its lane.
- *submitted*: its HEADERS entered a buffer pulled for the wire; the last moment for cancel, expiry and policy.
- *settled*: outcome and result stand in one commit. Nothing follows.
"""

from enum import Enum

from protocol.errors import LocalProtocolError


class State(Enum):
    """Where a notification is."""

    ACCEPTED = "accepted"
    SCHEDULED = "scheduled"
    QUEUED = "queued"
    SUBMITTED = "submitted"
    SETTLED = "settled"


class Event(Enum):
    """What moves it."""

    DUE_NOW = "due now"
    DUE_LATER = "due later"
    BECAME_DUE = "became due"
    SENT = "headers pulled for the wire"
    UNPROCESSED = "certainly not processed"
    RETRY = "retry at a time"
    ANSWERED = "final answer, or given up"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


TRANSITIONS: dict[tuple[State, Event], State] = {
    (State.ACCEPTED, Event.DUE_NOW): State.QUEUED,
    (State.ACCEPTED, Event.DUE_LATER): State.SCHEDULED,
    (State.SCHEDULED, Event.BECAME_DUE): State.QUEUED,
    (State.SCHEDULED, Event.EXPIRED): State.SETTLED,
    (State.SCHEDULED, Event.CANCELLED): State.SETTLED,
    (State.QUEUED, Event.SENT): State.SUBMITTED,
    (State.QUEUED, Event.EXPIRED): State.SETTLED,
    (State.QUEUED, Event.CANCELLED): State.SETTLED,
    (State.SUBMITTED, Event.UNPROCESSED): State.QUEUED,
    (State.SUBMITTED, Event.RETRY): State.SCHEDULED,
    (State.SUBMITTED, Event.ANSWERED): State.SETTLED,
}


def next_state(state: State, event: Event) -> State:
    """Return the state after an event. Raises LocalProtocolError for one that the state forbids."""
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise LocalProtocolError(f"a notification that is {state.value} can't take the event: {event.value}") from None


def render_diagram() -> str:
    """Return the table as a Mermaid state diagram, for docs/architecture.md."""
    lines = ["stateDiagram-v2", f"    [*] --> {State.ACCEPTED.value}"]
    lines += [f"    {state.value} --> {after.value}: {event.value}" for (state, event), after in TRANSITIONS.items()]
    lines.append(f"    {State.SETTLED.value} --> [*]")
    return "\n".join(lines) + "\n"
