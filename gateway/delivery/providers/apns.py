"""APNs as lanes see it: where its servers are, how a row becomes a request, what its answers mean."""

from collections.abc import Mapping
from math import inf
from typing import TYPE_CHECKING

from gateway.clock import Clock
from gateway.config import ApnsSettings, TcpAddress, parse_host_port
from gateway.delivery.credentials import ApnsCredential
from gateway.delivery.egress.client_tls import ClientTls
from gateway.delivery.egress.dialer import Dialer
from gateway.delivery.egress.lookups import Lookups
from gateway.delivery.pacing.limits import LaneLimits
from gateway.delivery.providers.building import BearerHeaders, make_requests
from gateway.delivery.providers.limits import make_lane_limits
from gateway.delivery.providers.provider import BuiltRequests
from gateway.journal.engine import BatchRecord
from native import Exchange, HeaderSet, Session
from protocol.chunks import Chunk
from protocol.lanes import is_broadcast
from protocol.outcomes import Verdict
from protocol.providers import apns
from protocol.retry_after import RETRY_AFTER

if TYPE_CHECKING:
    from gateway.delivery.egress.proxy import Proxy

# Only the sandbox sends it: the id under which Apple's console finds the push (docs/apns.md#answers).
CONSOLE_ID_HEADER = b"apns-unique-id"

# It has four hosts, each looked up in one thread at a time; unknown hosts may take half of them.
LOOKUP_THREADS = 8


class ApnsProvider:
    """One app in one environment, see :class:`gateway.delivery.providers.provider.Provider`."""

    name = "apns"
    rate = None
    refuses_all = False
    success_status = 200
    # The time at which APNs is to give up stands in a request as a date, which waiting doesn't change.
    judged_headers = frozenset((RETRY_AFTER,))
    requests_lifetime_seconds = inf

    def __init__(
        self, facts: apns.ApnsFacts, credential: ApnsCredential, dialer: Dialer, settings: ApnsSettings, clock: Clock
    ) -> None:
        self.dialer = dialer
        self._facts = facts
        self._credential = credential
        self._settings = settings
        self._clock = clock
        self._headers = BearerHeaders()

    def __repr__(self) -> str:
        return f"<ApnsProvider {self.dialer!r}, {self._credential!r}>"

    def open_session(self, now: float) -> Session:
        """Return a fresh protocol state for a new connection."""
        return Session(
            authority=self.dialer.authority,
            now=now,
            stream_timeout_seconds=self._settings.stream_timeout_seconds,
            captured_headers=(CONSOLE_ID_HEADER, b"retry-after"),
        )

    async def build_requests(self, chunk: Chunk, batch: BatchRecord) -> BuiltRequests:
        """Return the rows of a chunk ready for the wire."""
        columns = apns.build_requests(chunk, self._facts)
        return BuiltRequests(make_requests(columns, batch), columns)

    def session_headers(self) -> HeaderSet:
        """Return the bearer token as a header; nothing with a client certificate."""
        return self._headers.of(self._credential.authorization(self._clock.wall()))

    async def acquire_credential(self) -> None:
        """Return at once: tokens are signed here, certificates are there from the start."""

    def classify(self, exchange: Exchange) -> Verdict:
        """Return an answer in our words."""
        return apns.classify(exchange.status, exchange.headers, exchange.body, self._clock.wall())

    def classify_goaway(self, debug_data: bytes) -> Verdict | None:
        """Return a GOAWAY's reason in our words."""
        return apns.classify_goaway(debug_data)

    def provider_id(self, exchange: Exchange) -> str | None:
        """Return the sandbox's own id; everywhere else the apns-id follows from batch and row."""
        value = dict(exchange.headers).get(CONSOLE_ID_HEADER)
        return value.decode("ascii", "replace") if value else None

    def renew_credential(self, exchange: Exchange) -> bool:
        """Make a newer provider token where its age allows."""
        del exchange  # one token serves every row of the lane
        return self._credential.renew(self._clock.wall())

    def keep_credential(self) -> None:
        """Keep the provider token for as long as Apple wants."""
        self._credential.keep(self._clock.wall())


class ApnsProviders:
    """Makes the provider of a lane from its key. Sessions of one lane never mix teams, keys or certificates."""

    def __init__(
        self,
        settings: ApnsSettings,
        facts: Mapping[str, apns.ApnsFacts],
        credentials: Mapping[str, ApnsCredential],
        clock: Clock,
        tls: Mapping[str, ClientTls],
        *,
        proxy: "Proxy | None" = None,
    ) -> None:
        self._settings = settings
        self._facts = facts
        self._credentials = credentials
        self._clock = clock
        self._lookups = Lookups(threads=LOOKUP_THREADS, clock=clock)
        self._tls = tls
        self._proxy = proxy

    def provider_of_lane(self, lane: str) -> tuple[ApnsProvider, LaneLimits]:
        """Return the provider and the limits of a lane. Raises KeyError for an app that has no APNs settings."""
        app, _, environment, *_ = lane.split("/")
        credential = self._credentials[app]
        settings = self._settings
        address = _address(settings, environment, broadcast=is_broadcast(lane))
        dialer = self._tls[app].dress(
            lambda context: Dialer(
                address,
                context,
                timeout_seconds=settings.connect_timeout_seconds,
                resolver=self._lookups.resolve,
                proxy=self._proxy,
            )
        )
        provider = ApnsProvider(self._facts[app], credential, dialer, settings, self._clock)
        # The first request goes alone: APNs opens up only after one with a valid token (docs/apns.md#connections).
        return provider, make_lane_limits(settings, first_window=1)


def _address(settings: ApnsSettings, environment: str, *, broadcast: bool) -> TcpAddress:
    addresses = {
        ("production", False): settings.production_address,
        ("production", True): settings.production_broadcast_address,
        ("sandbox", False): settings.sandbox_address,
        ("sandbox", True): settings.sandbox_broadcast_address,
    }
    return parse_host_port(addresses[environment, broadcast])
