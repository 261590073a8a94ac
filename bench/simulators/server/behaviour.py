"""What the scenario has in store: which events hit which request or connection. It decides, the connections do."""

import hashlib
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator

from bench.simulators.server.events import CutEvent, Event
from bench.simulators.server.scenario import Latency, Scenario


def is_chosen_destination(destination: str, share: float) -> bool:
    """Tell whether a destination belongs to the ``destination_share`` of a scenario: the same ones in every run.

    Whoever fills a test or a demo with destinations can so foretell what becomes of them.
    """
    digest = hashlib.sha256(destination.encode()).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64


class Behaviour:
    """A scenario with its counters; one for all connections of a simulator."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self._random = random.Random(scenario.seed)
        self._times: Counter[int] = Counter()
        self._at_request: dict[int, list[int]] = defaultdict(list)
        self._at_connection_request: dict[int, list[int]] = defaultdict(list)
        self._of_destination: dict[str, list[int]] = defaultdict(list)
        self._by_test: list[tuple[int, Callable[[int, str], bool]]] = []
        for position, event in enumerate(scenario.events):
            self._file(position, event)
        self._latency = _latency_source(scenario.latency, self._random)

    def events_of_request(
        self, *, number: int, connection: int, connection_number: int, destination: str, origin: str
    ) -> list[Event]:
        """Return the events that hit a request, in the order of the scenario; counts them as having happened."""
        positions = [position for position, hits in self._by_test if hits(number, destination)]
        positions += self._at_request.get(number, ())
        positions += self._at_connection_request.get(connection_number, ())
        positions += self._of_destination.get(destination, ())
        return list(self._happen(sorted(positions), connection, origin)) if positions else []

    def events_of_connect(self, connection: int, origin: str) -> list[Event]:
        """Return the events that hit a connection as soon as it is open."""
        positions = [position for position, event in enumerate(self.scenario.events) if event.on_connect]
        return list(self._happen(positions, connection, origin))

    def find_cut_positions(self, connection: int, origin: str) -> tuple[int | None, int | None]:
        """Return the received and the sent byte at which a connection is cut; None: at none."""
        cuts = [(position, event) for position, event in enumerate(self.scenario.events) if isinstance(event, CutEvent)]
        received = [position for position, event in cuts if event.at_received_byte is not None]
        sent = [position for position, event in cuts if event.at_sent_byte is not None]
        return (
            next((event.at_received_byte for event in self._happen(received, connection, origin)), None),
            next((event.at_sent_byte for event in self._happen(sent, connection, origin)), None),
        )

    def latency_seconds(self) -> float:
        """Draw how long the next answer waits."""
        return self._latency()

    def _file(self, position: int, event: Event) -> None:
        """Put an event where a request will find it without all others being asked."""
        if event.at_request is not None:
            self._at_request[event.at_request].append(position)
        elif event.at_connection_request is not None:
            self._at_connection_request[event.at_connection_request].append(position)
        elif event.destinations is not None:
            for destination in event.destinations:
                self._of_destination[destination].append(position)
        elif (test := self._find_test(event)) is not None:
            self._by_test.append((position, test))

    def _find_test(self, event: Event) -> Callable[[int, str], bool] | None:
        if (every := event.every) is not None:
            return lambda number, _: number % every == 0
        if (share := event.share) is not None:
            return lambda _, __: self._random.random() < share
        if (prefix := event.destination_prefix) is not None:
            return lambda _, destination: destination.startswith(prefix)
        if (chosen := event.destination_share) is not None:
            return lambda _, destination: is_chosen_destination(destination, chosen)
        return None

    def _happen(self, positions: Iterable[int], connection: int, origin: str) -> Iterator[Event]:
        for position in positions:
            event = self.scenario.events[position]
            if event.connection not in (None, connection) or event.origin not in (None, origin):
                continue
            if event.times is not None and self._times[position] >= event.times:
                continue
            self._times[position] += 1
            yield event


def _latency_source(latency: Latency, source: random.Random) -> Callable[[], float]:
    match latency.distribution:
        case "fixed":
            return lambda: latency.seconds
        case "uniform":
            return lambda: source.uniform(latency.least_seconds, latency.seconds)
        case "exponential" if latency.seconds > 0:
            return lambda: latency.least_seconds + source.expovariate(1 / latency.seconds)
        case _:
            return lambda: 0.0
