"""What a scenario of this simulator says: the common events, with answers in each service's own words."""

from typing import ClassVar

from bench.simulators.server import AnswerEvent, CommonEvent, Scenario
from bench.simulators.webpush.services import SERVICE_OF_ORIGIN


class WebPushAnswerEvent(AnswerEvent, frozen=True, kw_only=True, tag="answer"):
    """Answer so instead of a success, in the form of the service that was asked.

    ``reason`` is a word of the service: an errno of Mozilla's (``"106"``) or its message, a text of FCM's, a reason of
    Apple's, for WNS a state (``channelthrottled``, also with 201) or an error description. Without one the service
    says what it usually says with this status: so one event suits all of them. A redirect leads to another endpoint of
    the same service, unless ``headers`` name a location.
    """


class WebPushScenario(Scenario, frozen=True, kw_only=True):
    """The whole behaviour of all origins together."""

    events: tuple[WebPushAnswerEvent | CommonEvent, ...] = ()
    origins: ClassVar[tuple[str, ...]] = tuple(SERVICE_OF_ORIGIN)
