"""What is durably owed: the engine's interface and the engines that keep it."""

from gateway.journal.engine import (
    Answered,
    BatchRecord,
    CancelCount,
    ChunkRef,
    Conflicting,
    CursorTooOldError,
    Engine,
    EngineStatistics,
    FeedEntry,
    FeedPage,
    KeysFullError,
    KeyStatistics,
    NewChunk,
    Postponement,
    Recall,
    Reservation,
    Settlement,
)
from gateway.journal.memory import MemoryEngine

__all__ = [
    "Answered",
    "BatchRecord",
    "CancelCount",
    "ChunkRef",
    "Conflicting",
    "CursorTooOldError",
    "Engine",
    "EngineStatistics",
    "FeedEntry",
    "FeedPage",
    "KeyStatistics",
    "KeysFullError",
    "MemoryEngine",
    "NewChunk",
    "Postponement",
    "Recall",
    "Reservation",
    "Settlement",
]
