"""Google's servers, and who an app is there."""

from collections.abc import Iterator
from typing import Annotated
from urllib.parse import urlsplit

from msgspec import Meta

from gateway.config.addresses import TcpAddress
from gateway.config.sections.kinds import Count, FilePath, SessionCount, StreamCount
from gateway.config.sections.section import Contradiction, Section
from gateway.config.sections.sessions import KeptSessionSettings
from protocol.providers.fcm import TOKEN_URI

# FCM's own calls inside Google take up to 10 s: who gives up earlier doesn't know whether the message was sent.
PatientSeconds = Annotated[float, Meta(ge=10, le=86_400, description="seconds from 10 to 86400")]
RampSeconds = Annotated[float, Meta(ge=0, le=86_400, description="seconds from 0 to 86400")]


class FcmSettings(KeptSessionSettings, frozen=True, kw_only=True):
    """Sessions to Google's servers, for all apps."""

    address: str = "fcm.googleapis.com:443"
    # Where signed assertions are exchanged. What a service-account file names is never followed.
    token_uri: str = TOKEN_URI
    # 8 sessions of 100 streams carry 8000 messages a second at 100 ms; Google asks for few connections.
    most_sessions: SessionCount = 8
    # What Google's front ends allow on a connection.
    session_window: StreamCount = 100
    stream_timeout_seconds: PatientSeconds = 30.0
    # The quota of every project; a larger one is granted on request.
    messages_per_minute: Count = 600_000
    # From idle to the full rate: Google refuses traffic that jumps, and asks for at least a minute.
    ramp_seconds: RampSeconds = 60.0

    def find_contradictions(self) -> Iterator[Contradiction]:
        """See :class:`Section`."""
        yield from super().find_contradictions()
        yield from self.find_bad_addresses("address")
        if not _is_safe(self.token_uri):
            yield ("token_uri",), f"expected an https URL, as in {TOKEN_URI}; http only to this machine"


class FcmAppSettings(Section, frozen=True, kw_only=True):
    """An app's identity at FCM: the service account of its Firebase project."""

    service_account_file: FilePath | None = None
    # The name that FCM gave each message, in its result: some 80 bytes more that few callers read.
    keep_message_names: bool = False

    def find_contradictions(self) -> Iterator[Contradiction]:
        """See :class:`Section`."""
        if self.service_account_file is None:
            yield ("service_account_file",), "missing; name the JSON file of a service account of the Firebase project"


def _is_safe(uri: str) -> bool:
    """Whether a secret may be sent to a URL: it is encrypted on its way, or doesn't leave this machine."""
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError:
        return False
    if not parts.hostname or "@" in parts.netloc or parts.fragment or not uri.isascii() or not uri.isprintable():
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and TcpAddress(parts.hostname, port or 80).is_loopback)
