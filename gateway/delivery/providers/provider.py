"""What a lane needs to know of its provider: everything else in this folder is the same for all three."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from gateway.delivery.egress.dialer import Dialer
from gateway.delivery.pacing.rate import Rate
from gateway.journal.engine import BatchRecord
from native import Exchange, HeaderSet, Requests, Session
from protocol.chunks import Chunk
from protocol.outcomes import Verdict
from protocol.requests import RequestColumns


class BuiltRequests(NamedTuple):
    """A chunk's rows ready for the wire, numbered as in the chunk.

    ``columns`` are what ``requests`` was made of, for a connection that the native session can't drive. ``refused``
    are rows that must not be sent after all, each with its final word; their requests are never looked at.
    """

    requests: Requests
    columns: RequestColumns
    refused: Mapping[int, Verdict] = {}


class Provider(Protocol):
    """One provider as one lane sees it: its address, its credential, its words."""

    @property
    def name(self) -> str:
        """The provider as results name it: ``apns``, ``fcm`` or ``webpush``."""
        ...

    @property
    def dialer(self) -> Dialer:
        """What opens connections to it."""
        ...

    @property
    def rate(self) -> Rate | None:
        """What bounds requests a second, over all lanes that share a quota; None where nothing does."""
        ...

    @property
    def success_status(self) -> int:
        """The status of a plain success."""
        ...

    @property
    def judged_headers(self) -> frozenset[bytes]:
        """Which headers of an answer :meth:`classify` looks at: answers that differ in others mean the same."""
        ...

    @property
    def requests_lifetime_seconds(self) -> float:
        """How long built requests may wait before they say something untrue, such as the time that is left."""
        ...

    @property
    def refuses_all(self) -> bool:
        """Whether ``build_requests`` refuses every row, so that no session is to be opened for them."""
        ...

    def open_session(self, now: float) -> Session:
        """Return a fresh protocol state for a new connection; ``now`` is monotonic."""
        ...

    async def build_requests(self, chunk: Chunk, batch: BatchRecord) -> BuiltRequests:
        """Return the rows of a chunk ready for the wire, as of now."""
        ...

    def session_headers(self) -> HeaderSet | None:
        """Return what every request carries now; the same object until the credential was renewed.

        None: there is no valid credential now; :meth:`acquire_credential` waits for one.
        """
        ...

    async def acquire_credential(self) -> None:
        """Wait until ``session_headers`` has an answer. Raises CredentialUnavailableError."""
        ...

    def classify(self, exchange: Exchange) -> Verdict:
        """Return an answer in our words."""
        ...

    def classify_goaway(self, debug_data: bytes) -> Verdict | None:
        """Return a GOAWAY's reason in our words, None when it says nothing of its own."""
        ...

    def provider_id(self, exchange: Exchange) -> str | None:
        """Return the provider's own id for an answered row, None where it is derived from batch and row."""
        ...

    def renew_credential(self, exchange: Exchange) -> bool:
        """After an answer that called the credential expired, return whether a newer one makes a repeat worthwhile."""
        ...

    def keep_credential(self) -> None:
        """Make no new credential for a while: the provider said that it changes too often."""
        ...
