"""A strict APNs on the loopback: real TLS and HTTP/2, Apple's rules, scripted faults, and a ledger of what came."""

from bench.simulators.apns.behaviour import is_chosen_destination
from bench.simulators.apns.ledger import Ledger, LedgerEntry, read_ledger
from bench.simulators.apns.options import ApnsSimulatorOptions, ChannelOptions, ProviderKeyOptions
from bench.simulators.apns.scenario import (
    AnswerEvent,
    CutEvent,
    GoawayEvent,
    Latency,
    ResetEvent,
    Scenario,
    ScenarioError,
    Settings,
    SilenceEvent,
    StreamLimit,
    StreamLimitEvent,
    load_scenario,
    parse_scenario,
)
from bench.simulators.apns.simulator import ApnsSimulator, open_apns_simulator
from bench.simulators.apns.statistics import Statistics

__all__ = [
    "AnswerEvent",
    "ApnsSimulator",
    "ApnsSimulatorOptions",
    "ChannelOptions",
    "CutEvent",
    "GoawayEvent",
    "Latency",
    "Ledger",
    "LedgerEntry",
    "ProviderKeyOptions",
    "ResetEvent",
    "Scenario",
    "ScenarioError",
    "Settings",
    "SilenceEvent",
    "Statistics",
    "StreamLimit",
    "StreamLimitEvent",
    "is_chosen_destination",
    "load_scenario",
    "open_apns_simulator",
    "parse_scenario",
    "read_ledger",
]
