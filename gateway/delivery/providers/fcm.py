"""FCM as lanes see it: one address for all projects, a bearer token a project, and a quota that lanes share."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from gateway.clock import Clock
from gateway.config import FcmSettings, parse_host_port
from gateway.delivery.credentials import FcmCredential
from gateway.delivery.egress.client_tls import ClientTls
from gateway.delivery.egress.dialer import Dialer
from gateway.delivery.egress.lookups import Lookups
from gateway.delivery.pacing.limits import LaneLimits
from gateway.delivery.pacing.rate import Rate, RateLimits
from gateway.delivery.providers.building import NO_HEADERS, BearerHeaders, make_requests
from gateway.delivery.providers.limits import make_lane_limits
from gateway.delivery.providers.provider import BuiltRequests
from gateway.journal.engine import BatchRecord
from native import Exchange, HeaderSet, Session
from protocol.chunks import Chunk
from protocol.lanes import is_topics
from protocol.outcomes import Verdict
from protocol.providers import fcm
from protocol.retry_after import RETRY_AFTER

if TYPE_CHECKING:
    from gateway.delivery.egress.proxy import Proxy

# It has one host, looked up in one thread at a time; unknown hosts may take half of them.
LOOKUP_THREADS = 2


class FcmProvider:
    """One app's project, see :class:`gateway.delivery.providers.provider.Provider`."""

    name = "fcm"
    refuses_all = False
    success_status = 200
    # A body says how many seconds are left; the answer of a message that waited longer would be off by more.
    judged_headers = frozenset((RETRY_AFTER,))
    requests_lifetime_seconds = 10.0

    def __init__(
        self,
        facts: fcm.FcmFacts,
        credential: FcmCredential,
        dialer: Dialer,
        settings: FcmSettings,
        clock: Clock,
        *,
        rate: Rate,
        keeps_names: bool,
    ) -> None:
        self.dialer = dialer
        self.rate = rate
        self._facts = facts
        self._credential = credential
        self._settings = settings
        self._clock = clock
        self._keeps_names = keeps_names
        self._headers = BearerHeaders()
        self._session_headers = NO_HEADERS
        self._changed_at = 0.0  # monotonic

    def __repr__(self) -> str:
        return f"<FcmProvider {self._facts.project_id}, {self.dialer!r}>"

    def open_session(self, now: float) -> Session:
        """Return a fresh protocol state for a new connection."""
        return Session(
            authority=self.dialer.authority,
            now=now,
            stream_timeout_seconds=self._settings.stream_timeout_seconds,
            # Without the names a success needs no Python object.
            capture_success_body=self._keeps_names,
        )

    async def build_requests(self, chunk: Chunk, batch: BatchRecord) -> BuiltRequests:
        """Return the rows of a chunk ready for the wire, with the seconds that are left now."""
        columns = fcm.build_requests(chunk, self._facts, int(self._clock.wall() * 1000))
        return BuiltRequests(make_requests(columns, batch), columns)

    def session_headers(self) -> HeaderSet | None:
        """Return the bearer token as a header; None without a valid one."""
        authorization = self._credential.authorization(self._clock.wall())
        if authorization is None:
            return None
        headers = self._headers.of(authorization)
        if headers is not self._session_headers:
            self._session_headers = headers
            self._changed_at = self._clock.monotonic()
        return headers

    async def acquire_credential(self) -> None:
        """Wait for an access token. Raises CredentialUnavailableError."""
        await self._credential.acquire()

    def classify(self, exchange: Exchange) -> Verdict:
        """Return an answer in our words."""
        return fcm.classify(exchange.status, exchange.headers, exchange.body, self._clock.wall())

    def classify_goaway(self, debug_data: bytes) -> Verdict | None:
        """Return None: Google's GOAWAY says nothing about a credential."""
        del debug_data
        return None

    def provider_id(self, exchange: Exchange) -> str | None:
        """Return the name of a message that FCM took, where the app keeps names."""
        return fcm.read_name(exchange.body) if self._keeps_names and exchange.status == self.success_status else None

    def renew_credential(self, exchange: Exchange) -> bool:
        """Drop the token that FCM refused, unless it was replaced already or is too young to be the fault."""
        if exchange.sent_at is not None and exchange.sent_at < self._changed_at:
            return True  # a straggler: it went out with the token before
        authorization = self._credential.authorization(self._clock.wall())
        return authorization is None or self._credential.renew(authorization)

    def keep_credential(self) -> None:
        """Do nothing: FCM never asks for it."""


class FcmProviders:
    """Makes the provider of a lane from its key. Lanes of one project share its rate."""

    def __init__(
        self,
        settings: FcmSettings,
        facts: Mapping[str, fcm.FcmFacts],
        credentials: Mapping[str, FcmCredential],
        clock: Clock,
        *,
        tls: ClientTls,
        keeps_names: frozenset[str],
        proxy: "Proxy | None" = None,
    ) -> None:
        """Take what is known of each app by its name; ``keeps_names`` are the apps that want the messages' names."""
        self._settings = settings
        self._facts = facts
        self._credentials = credentials
        self._clock = clock
        self._keeps_names = keeps_names
        self._rates: dict[str, Rate] = {}
        self._address = parse_host_port(settings.address)
        self._lookups = Lookups(threads=LOOKUP_THREADS, clock=clock)
        self._tls = tls
        self._proxy = proxy

    def provider_of_lane(self, lane: str) -> tuple[FcmProvider, LaneLimits]:
        """Return the provider and the limits of a lane. Raises KeyError for an app that has no FCM settings."""
        app = lane.split("/", maxsplit=1)[0]
        facts, settings = self._facts[app], self._settings
        provider = FcmProvider(
            facts,
            self._credentials[app],
            self._tls.dress(
                lambda context: Dialer(
                    self._address,
                    context,
                    timeout_seconds=settings.connect_timeout_seconds,
                    resolver=self._lookups.resolve,
                    proxy=self._proxy,
                )
            ),
            settings,
            self._clock,
            rate=self._share_rate(facts.project_id),
            keeps_names=app in self._keeps_names,
        )
        limits = make_lane_limits(
            settings,
            first_window=settings.session_window,
            # Each fans out to thousands (docs/fcm.md#addresses).
            one_at_a_time=is_topics(lane),
        )
        return provider, limits

    def _share_rate(self, project_id: str) -> Rate:
        rate = self._rates.get(project_id)
        if rate is None:
            limits = RateLimits(
                per_second=self._settings.messages_per_minute / 60, ramp_seconds=self._settings.ramp_seconds
            )
            rate = self._rates[project_id] = Rate(limits, self._clock.monotonic())
        return rate
