"""A strict APNs on the loopback: Apple's rules on the common server, with everything that its users need besides."""

from bench.simulators.apns.ledger import ApnsLedgerEntry
from bench.simulators.apns.options import ApnsSimulatorOptions, ChannelOptions, ProviderKeyOptions
from bench.simulators.apns.scenario import ApnsAnswerEvent, ApnsScenario, ApnsStreamLimit
from bench.simulators.apns.simulator import ApnsSimulator, open_apns_simulator

__all__ = [
    "ApnsAnswerEvent",
    "ApnsLedgerEntry",
    "ApnsScenario",
    "ApnsSimulator",
    "ApnsSimulatorOptions",
    "ApnsStreamLimit",
    "ChannelOptions",
    "ProviderKeyOptions",
    "open_apns_simulator",
]
