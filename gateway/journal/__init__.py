"""What is durably owed: the engine's interface and the engines that keep it."""

from gateway.journal.engine import (
    Answered,
    BatchRecord,
    CancelCount,
    ChunkRef,
    Conflicting,
    CursorTooOldError,
    DeadOnArrival,
    Engine,
    FeedEntry,
    FeedPage,
    KeysFullError,
    NewChunk,
    Postponement,
    Recall,
    Recalled,
    Reservation,
    Settlement,
)
from gateway.journal.leases import SOLE_LEASE, Lease, LeaseEndedError
from gateway.journal.memory.engine import MemoryEngine
from gateway.journal.statistics import EngineStatistics, KeyStatistics

__all__ = [
    "SOLE_LEASE",
    "Answered",
    "BatchRecord",
    "CancelCount",
    "ChunkRef",
    "Conflicting",
    "CursorTooOldError",
    "DeadOnArrival",
    "Engine",
    "EngineStatistics",
    "FeedEntry",
    "FeedPage",
    "KeyStatistics",
    "KeysFullError",
    "Lease",
    "LeaseEndedError",
    "MemoryEngine",
    "NewChunk",
    "Postponement",
    "Recall",
    "Recalled",
    "Reservation",
    "Settlement",
]
