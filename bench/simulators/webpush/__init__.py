"""Strict push services on the loopback, with the browsers behind them: every message is decrypted and compared."""

from bench.simulators.webpush.decoder import DecryptionError, decrypt_push
from bench.simulators.webpush.endpoint_paths import ServiceName
from bench.simulators.webpush.faults import Fault
from bench.simulators.webpush.ledger import WebPushLedgerEntry, WebPushStatistics
from bench.simulators.webpush.options import WebPushAnswerEvent, WebPushScenario, WebPushSimulatorOptions
from bench.simulators.webpush.services import SERVICE_OF_ORIGIN
from bench.simulators.webpush.simulator import WebPushSimulator, make_send_line, open_webpush_simulator

__all__ = [
    "SERVICE_OF_ORIGIN",
    "DecryptionError",
    "Fault",
    "ServiceName",
    "WebPushAnswerEvent",
    "WebPushLedgerEntry",
    "WebPushScenario",
    "WebPushSimulator",
    "WebPushSimulatorOptions",
    "WebPushStatistics",
    "decrypt_push",
    "make_send_line",
    "open_webpush_simulator",
]
