import pytest

from protocol.errors import LocalProtocolError
from protocol.states import TRANSITIONS, Event, State, next_state, render_diagram


@pytest.mark.parametrize(("state", "event"), [(state, event) for state in State for event in Event])
def test_only_transitions_of_the_table_happen(state, event):
    if (state, event) in TRANSITIONS:
        assert next_state(state, event) is TRANSITIONS[state, event]
    else:
        with pytest.raises(LocalProtocolError, match=state.value):
            next_state(state, event)


def test_every_state_is_reached_and_only_settled_is_left_by_nothing():
    reached = {State.ACCEPTED}
    while new := {after for (state, _), after in TRANSITIONS.items() if state in reached} - reached:
        reached |= new
    assert reached == set(State)
    assert set(State) - {state for state, _ in TRANSITIONS} == {State.SETTLED}


def test_every_event_moves_something():
    assert {event for _, event in TRANSITIONS} == set(Event)


def test_a_submitted_notification_can_no_longer_be_cancelled_or_expire():
    assert (State.SUBMITTED, Event.CANCELLED) not in TRANSITIONS
    assert (State.SUBMITTED, Event.EXPIRED) not in TRANSITIONS


def test_the_diagram_draws_every_transition():
    diagram = render_diagram()
    for (state, event), after in TRANSITIONS.items():
        assert f"    {state.value} --> {after.value}: {event.value}\n" in diagram
    assert diagram.startswith("stateDiagram-v2\n    [*] --> accepted\n")
    assert diagram.endswith("    settled --> [*]\n")
