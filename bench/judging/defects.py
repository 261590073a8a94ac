"""Planted defects by name: a gateway that does one thing wrong, to prove that the demo or a promise would notice.

Each stands between the gateway and its real engine or its real encryption; the gateway itself knows nothing of it.
"""

from collections.abc import Callable
from functools import partial
from typing import cast

from bench.judging.promise_defects import (
    ForgetsAccount,
    ForgetsKeys,
    HidesFailure,
    IgnoresExpiry,
    KeepsChunks,
    ReadsEverything,
    RetriesReported,
    SettlesLate,
)
from bench.judging.row_defects import (
    AnswersEarly,
    ChangesByte,
    Defective,
    DropsResult,
    FlipsCiphertext,
    SendsTwice,
)
from gateway.delivery.providers.encryption import Encryptor
from gateway.journal.engine import Engine

JUST_EARLY_SECONDS = 0.05

_ENGINE_DEFECTS: dict[str, Callable[[Engine], Defective[Engine]]] = {
    "drop-result": DropsResult,
    "send-twice": SendsTwice,
    "change-byte": ChangesByte,
    "answer-early": AnswersEarly,
    "answer-just-early": partial(AnswersEarly, late_seconds=JUST_EARLY_SECONDS),
    "settle-late": SettlesLate,
    "forget-keys": ForgetsKeys,
    "retry-reported": RetriesReported,
    "ignore-expiry": IgnoresExpiry,
    "read-everything": ReadsEverything,
    "hide-failure": HidesFailure,
    "keep-chunks": KeepsChunks,
    "forget-account": ForgetsAccount,
}
_ENCRYPTOR_DEFECTS: dict[str, Callable[[Encryptor], Defective[Encryptor]]] = {"flip-ciphertext": FlipsCiphertext}

DEFECTS = (*_ENGINE_DEFECTS, *_ENCRYPTOR_DEFECTS)
DEMO_DEFECTS = ("drop-result", "send-twice", "change-byte", "answer-early", "flip-ciphertext")
"""Those that a run of the demo brings to light."""
PROMISE_DEFECTS = tuple(name for name in DEFECTS if name not in {"change-byte", "flip-ciphertext"})
"""Those that break a promise under faults. Each is planted by a test of that promise, with the marker ``planted``."""


def plant_in_engine(name: str, engine: Engine) -> Engine:
    """Return the engine, with a defect in front of it if it is one of an engine's."""
    return cast("Engine", _ENGINE_DEFECTS[name](engine)) if name in _ENGINE_DEFECTS else engine


def plant_in_encryptor(name: str, encryptor: Encryptor) -> Encryptor:
    """Return the encryption, with a defect behind it if it is one of encryption's."""
    return cast("Encryptor", _ENCRYPTOR_DEFECTS[name](encryptor)) if name in _ENCRYPTOR_DEFECTS else encryptor
