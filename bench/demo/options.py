"""What a run of the demo is to do."""

import msgspec

from bench.demo.plan import cut_last_act, share_out
from bench.judging.history import ProviderName

LAST_ACT_PART = 3


class DemoOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What to run."""

    notifications: int = 30_000
    """Those of the first act; the last one adds a third."""
    kills: int = 3
    """How often the gateway is killed in the last act; without kills there is none."""
    seed: int = 1
    batch_size: int = 500
    plant: str | None = None
    """A defect of :mod:`bench.judging.defects`, in the gateway that is started first."""
    patience_seconds: float = 15.0
    """Without progress for so long the run is given up."""

    @property
    def last_act(self) -> list[int]:
        """How many notifications each part of the last act has; the gateway is killed in all of them but the first."""
        # In a tiny run a part has a notification all the same.
        return cut_last_act(max(self.notifications // LAST_ACT_PART, self.kills + 1), self.kills)

    @property
    def first_shares(self) -> dict[ProviderName, int]:
        """How many notifications of the first act go to each provider."""
        return share_out(self.notifications)

    @property
    def shares(self) -> dict[ProviderName, int]:
        """How many notifications go to each provider in both acts."""
        last = share_out(sum(self.last_act))
        return {name: first + last[name] for name, first in self.first_shares.items()}

    @property
    def kill_when_sent(self) -> list[int]:
        """How many notifications are sent when a kill is due: all of a part, whose answers are on their way."""
        parts = self.last_act
        return [self.notifications + sum(parts[: number + 1]) for number in range(1, len(parts))]
