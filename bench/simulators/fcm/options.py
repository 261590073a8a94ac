"""What an FCM simulator is started with: where it listens, whose project it is, what it allows."""

from bench.simulators.fcm.access_tokens import TOKEN_SECONDS
from bench.simulators.fcm.scenario import FcmScenario
from bench.simulators.server import SimulatorOptions


class FcmSimulatorOptions(SimulatorOptions, frozen=True, kw_only=True):
    """Everything one simulator needs to start."""

    port: int = 0
    """0 lets the system choose; `FcmSimulator.port` tells which it was."""
    project_id: str = "shop-1"
    project_number: str = "123456789012"
    """Also good in the path, in place of the id."""
    access_token_seconds: float = TOKEN_SECONDS
    """How long a token lives, by ``clock``."""
    messages_per_minute: int | None = None
    """The project's quota; Google's own is 600,000. None: no quota."""
    quota_tells_wait: bool = True
    """Whether 429 for the project's quota comes with ``retry-after``."""
    most_fan_outs: int | None = None
    """Messages to topics and conditions that may be spread at a time; Google's own limit is 1,000. None: no limit."""
    fan_out_seconds: float = 1.0
    """How long one of them takes."""
    scenario: FcmScenario = FcmScenario()
