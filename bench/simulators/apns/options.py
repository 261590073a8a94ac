"""What a simulator is started with: where it listens, whose keys it knows, what it serves."""

from typing import Literal

import msgspec

from bench.simulators.apns.scenario import ApnsScenario
from bench.simulators.server import SimulatorOptions

Environment = Literal["production", "sandbox"]


class ProviderKeyOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One provider signing key that the simulator makes and knows."""

    team_id: str = "DEF123GHIJ"
    key_id: str = "ABC123DEFG"
    environments: tuple[Environment, ...] = ("production", "sandbox")
    """Where the key is valid: older keys work in both, newer ones in a single environment."""
    topics: tuple[str, ...] | None = None
    """Bundle ids that a topic-specific key covers; a team-scoped key (None) covers every topic of the simulator."""


class ChannelOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One broadcast channel."""

    channel_id: str
    stores_messages: bool = True
    """Policy 1 keeps the newest message; policy 0 (False) keeps nothing and demands ``apns-expiration: 0``."""


class ApnsSimulatorOptions(SimulatorOptions, frozen=True, kw_only=True):
    """Everything one simulator needs to start."""

    port: int = 0
    """0 lets the system choose; `ApnsSimulator.port` tells which it was."""
    environment: Environment = "production"
    keys: tuple[ProviderKeyOptions, ...] = (ProviderKeyOptions(),)
    topics: tuple[str, ...] = ("com.example.shop",)
    """Bundle ids, without the suffix that a push type adds."""
    client_certificate_topics: tuple[str, ...] = ()
    """Bundle ids of the client certificate; empty: none is made and none is asked for in the handshake."""
    channels: tuple[ChannelOptions, ...] | None = None
    """The registered broadcast channels; None accepts every well-formed channel id."""
    broadcast_enabled: bool = True
    token_updates_by: Literal["string", "iat"] = "string"  # noqa: S105 - no password
    """What makes a token a new one (TooManyProviderTokenUpdates); Apple does not say, the string is stricter."""
    scenario: ApnsScenario = ApnsScenario()
