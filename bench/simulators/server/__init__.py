"""The part of a simulator that is the same for every provider: connections, faults by scenario, books, certificates.

`provider` says how to make a provider's simulator of it.
"""

from bench.simulators.server.answers import Answer, Fields
from bench.simulators.server.authority import Authority, ClientCertificate
from bench.simulators.server.behaviour import is_chosen_destination
from bench.simulators.server.events import (
    AnswerEvent,
    CutEvent,
    GoawayEvent,
    ResetEvent,
    Section,
    SilenceEvent,
    StreamLimitEvent,
)
from bench.simulators.server.ledger import Ledger, LedgerEntry, read_ledger
from bench.simulators.server.options import Origin, SimulatorOptions
from bench.simulators.server.provider import Judgement, Peer, Provider, Sender
from bench.simulators.server.requests import Request
from bench.simulators.server.scenario import (
    CommonEvent,
    Latency,
    Scenario,
    ScenarioError,
    Settings,
    StreamLimit,
    load_scenario,
    parse_scenario,
)
from bench.simulators.server.simulator import Simulator, run_simulator, run_simulators
from bench.simulators.server.statistics import Statistics

__all__ = [
    "Answer",
    "AnswerEvent",
    "Authority",
    "ClientCertificate",
    "CommonEvent",
    "CutEvent",
    "Fields",
    "GoawayEvent",
    "Judgement",
    "Latency",
    "Ledger",
    "LedgerEntry",
    "Origin",
    "Peer",
    "Provider",
    "Request",
    "ResetEvent",
    "Scenario",
    "ScenarioError",
    "Section",
    "Sender",
    "Settings",
    "SilenceEvent",
    "Simulator",
    "SimulatorOptions",
    "Statistics",
    "StreamLimit",
    "StreamLimitEvent",
    "is_chosen_destination",
    "load_scenario",
    "parse_scenario",
    "read_ledger",
    "run_simulator",
    "run_simulators",
]
