"""What all connections of a simulator share."""

import random
import uuid

from bench.simulators.apns.behaviour import Behaviour
from bench.simulators.apns.ledger import Ledger
from bench.simulators.apns.options import ApnsSimulatorOptions
from bench.simulators.apns.rules import Judge
from bench.simulators.apns.scheduler import Scheduler
from bench.simulators.apns.statistics import Counts


class Service:
    """Rules, scenario, ledger, time and counts of one simulator."""

    def __init__(self, options: ApnsSimulatorOptions, judge: Judge, ledger: Ledger) -> None:
        self.options = options
        self.judge = judge
        self.ledger = ledger
        self.behaviour = Behaviour(options.scenario)
        self.scheduler = Scheduler()
        self.counts = Counts()
        self._random = random.Random(options.scenario.seed)

    def make_id(self) -> bytes:
        """Return a UUID in the form that APNs gives out; repeatable by the scenario's seed."""
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4)).encode("ascii")

    def wall_ms(self) -> int:
        """Return UNIX time in milliseconds."""
        return int(self.options.clock.wall() * 1000)
