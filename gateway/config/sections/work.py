"""What happens inside: how much work is taken in hand, where it is kept, what is told of it."""

from typing import Annotated, Literal

from msgspec import Meta

from gateway.config.sections.kinds import GIB, MIB, ByteCount, Count, FolderPath, Seconds
from gateway.config.sections.section import Section

IDEMPOTENCY_SHARE = 4


class DeliverySettings(Section, frozen=True, kw_only=True):
    """How much work is taken in hand and how it ends."""

    # Rows that are decoded and ready to be submitted: 20 ms of answers at 100,000/s need 2,000; the rest is read-ahead.
    active_rows: Count = 20_000
    active_bytes: ByteCount = 64 * MIB
    # Final results wait this long for company, so that one commit carries many; 0.05 is the most the design allows.
    settle_delay_seconds: Annotated[float, Meta(ge=0, le=0.05, description="seconds from 0 to 0.05")] = 0.005
    # What is in flight at SIGTERM gets this long; below the 30 s after which supervisors kill.
    drain_timeout_seconds: Seconds = 25.0


class JournalSettings(Section, frozen=True, kw_only=True):
    """Where accepted notifications are kept."""

    # What was accepted must outlive the process; "memory" is for tests and for trying things out.
    engine: Literal["sqlite", "memory"] = "sqlite"
    # A folder for the journal alone, on a disk of this machine: network file systems lie about locks and flushes.
    directory: FolderPath = "/var/lib/pushmill"
    # Eight times what limits.queued_bytes lets wait; most of it is for results that nobody has read yet.
    most_bytes: Annotated[
        int, Meta(ge=64 * MIB, le=1 << 44, description="a number of bytes from 67108864 (64 MiB) to 17592186044416")
    ] = 4 * GIB
    # A repeat of a batch within this time gets its first answer again: a day outlives callers' outages and restarts.
    idempotency_window_seconds: Annotated[
        float, Meta(gt=0, le=30 * 86_400, description="seconds, above 0 and at most 2592000 (30 days)")
    ] = 86_400.0
    # Batch ids with their first answers; 160 bytes each beside those, so 1.3 million of plain batches, and 65 MiB of
    # memory (measured). Beyond it new named batches are refused: no key is forgotten inside the window.
    idempotency_bytes: ByteCount = 256 * MIB

    @property
    def idempotency_limit_bytes(self) -> int:
        """The bound in force: most of a small journal is for work."""
        return min(self.idempotency_bytes, self.most_bytes // IDEMPOTENCY_SHARE)


class LogSettings(Section, frozen=True, kw_only=True):
    """What is told on standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    # Lines that machines read; "console" is for people.
    format: Literal["json", "console"] = "json"
