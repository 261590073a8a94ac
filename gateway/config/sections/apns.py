"""Apple's servers, and who an app is there."""

from collections.abc import Iterator
from typing import Annotated, Literal

from msgspec import Meta

from gateway.config.sections.kinds import FilePath, SessionCount, StreamCount
from gateway.config.sections.section import Contradiction, Section
from gateway.config.sections.sessions import KeptSessionSettings

AppleId = Annotated[
    str,
    Meta(pattern=r"\A[A-Z0-9]{10}\Z", description="10 capital letters or digits, as Apple's developer pages show it"),
]
Topic = Annotated[str, Meta(min_length=1, max_length=255, description="a bundle ID of 1 to 255 characters")]


class ApnsSettings(KeptSessionSettings, frozen=True, kw_only=True):
    """Sessions to Apple's servers, for all apps."""

    production_address: str = "api.push.apple.com:443"
    sandbox_address: str = "api.sandbox.push.apple.com:443"
    # Apple's page names two hosts for broadcasts; its text names the ordinary one (docs/apns.md#broadcasts).
    production_broadcast_address: str = "api.push.apple.com:443"
    sandbox_broadcast_address: str = "api.sandbox.push.apple.com:443"
    # Apple advises several connections for volume but blocks those who open many.
    most_sessions: SessionCount = 8
    # Streams in flight a session, where the server's own limit is not lower (1000 has been seen since 2021).
    session_window: StreamCount = 1000

    def find_contradictions(self) -> Iterator[Contradiction]:
        """See :class:`Section`."""
        yield from super().find_contradictions()
        yield from self.find_bad_addresses(
            "production_address", "sandbox_address", "production_broadcast_address", "sandbox_broadcast_address"
        )


class ApnsAppSettings(Section, frozen=True, kw_only=True):
    """An app's identity at APNs: a signing key (team_id, key_id, key_file) or a client certificate."""

    team_id: AppleId | None = None
    key_id: AppleId | None = None
    key_file: FilePath | None = None
    certificate_file: FilePath | None = None
    # None: the key stands in certificate_file too.
    certificate_key_file: FilePath | None = None
    # None: every notification must name its topic.
    topic: Topic | None = None
    # None: every destination must name its environment.
    environment: Literal["production", "sandbox"] | None = None

    @property
    def uses_token(self) -> bool:
        """Whether requests carry a provider token (else the client certificate speaks for the app)."""
        return self.key_file is not None

    def find_contradictions(self) -> Iterator[Contradiction]:
        """See :class:`Section`."""
        token_names = ("team_id", "key_id", "key_file")
        missing = tuple(name for name in token_names if getattr(self, name) is None)
        if self.certificate_file is not None:
            given = tuple(name for name in token_names if name not in missing)
            if given:
                yield ("certificate_file", *given), f"set either this or {', '.join(token_names)}, not both"
        elif len(missing) == len(token_names):
            yield (
                ("key_file", *token_names, "certificate_file"),
                ("missing; set team_id, key_id and key_file, or certificate_file"),
            )
        else:
            for name in missing:
                yield (name, *token_names), f"missing; a signing key needs {', '.join(token_names)}"
        if self.certificate_key_file is not None and self.certificate_file is None:
            yield ("certificate_key_file", "certificate_file"), "has no meaning without certificate_file"
