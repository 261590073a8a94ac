"""A scenario as the FCM simulator reads it: what all simulators share, FCM's answers, and the token exchange."""

from collections import Counter

from bench.simulators.fcm.events import ExchangeEvent, FcmAnswerEvent
from bench.simulators.server import CommonEvent, Scenario


class FcmScenario(Scenario, frozen=True, kw_only=True):
    """The whole behaviour of an FCM simulator. The default one is a healthy server."""

    events: tuple[FcmAnswerEvent | CommonEvent, ...] = ()
    exchanges: tuple[ExchangeEvent, ...] = ()
    """What befalls exchanges of an assertion; the ``events`` befall messages alone."""


class ExchangeFaults:
    """The exchanges of a scenario with their counters."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self._events = scenario.exchanges if isinstance(scenario, FcmScenario) else ()
        self._times: Counter[int] = Counter()

    def find_event(self, number: int) -> ExchangeEvent | None:
        """Return what befalls the exchange of this number, from 1, and count it as having happened."""
        for position, event in enumerate(self._events):
            is_spent = event.times is not None and self._times[position] >= event.times
            if event.at_exchange in {None, number} and not is_spent:
                self._times[position] += 1
                return event
        return None
