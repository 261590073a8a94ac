"""A strict FCM on the loopback: Google's OAuth and v1 endpoints, their rules and errors, and a ledger of what came."""

from bench.simulators.fcm.ledger import FcmLedgerEntry, hash_message
from bench.simulators.fcm.options import FcmSimulatorOptions
from bench.simulators.fcm.scenario import ExchangeEvent, FcmAnswerEvent, FcmScenario
from bench.simulators.fcm.service_account import ServiceAccount
from bench.simulators.fcm.simulator import FcmSimulator, open_fcm_simulator

__all__ = [
    "ExchangeEvent",
    "FcmAnswerEvent",
    "FcmLedgerEntry",
    "FcmScenario",
    "FcmSimulator",
    "FcmSimulatorOptions",
    "ServiceAccount",
    "hash_message",
    "open_fcm_simulator",
]
