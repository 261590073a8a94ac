"""Web Push as lanes see it: a push service for each origin, bodies encrypted for every receiver, requests signed.

Endpoints come from strangers. Preparation has checked the host of every one; here it is checked again, since settings
may have changed while a notification was owed, and the dialer checks where the host's name leads.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from gateway.clock import Clock
from gateway.config import TcpAddress, WebPushSettings
from gateway.delivery.credentials import WebPushCredential
from gateway.delivery.egress.client_tls import ClientTls
from gateway.delivery.egress.dialer import Dialer
from gateway.delivery.egress.first_tries import FirstTries
from gateway.delivery.egress.lookups import Lookups
from gateway.delivery.lanes.work import work_of
from gateway.delivery.pacing.limits import LaneLimits, PoolLimits, SessionLimits
from gateway.delivery.providers.building import NO_HEADERS, make_requests
from gateway.delivery.providers.encryption import Encryptor
from gateway.delivery.providers.provider import BuiltRequests
from gateway.journal.engine import BatchRecord
from native import Exchange, HeaderSet, Session
from protocol.chunks import Chunk
from protocol.encryption import EncryptionRefusal
from protocol.outcomes import Advice, AttemptOutcome, Verdict
from protocol.providers import webpush
from protocol.providers.webpush.services import Service
from protocol.reasons import Reason
from protocol.retry_after import RETRY_AFTER

if TYPE_CHECKING:
    from gateway.delivery.egress.proxy import Proxy

# A chunk: bodies are encrypted right before they go out, not held ready by the thousand.
READ_AHEAD_ROWS = 100
# TTL says how many seconds are left; the push service would keep a message that waited longer too long by more.
REQUESTS_LIFETIME_SECONDS = 10.0
WNS_HEADERS = (b"x-wns-status", b"x-wns-notificationstatus")
LOCATION = b"location"
# Strangers choose the hosts: half of the threads are for those that had an answer the last time.
LOOKUP_THREADS = 16


def _refuse(reason: Reason, advice: Advice) -> Verdict:
    return Verdict(outcome=AttemptOutcome.REJECTED, reason=reason, advice=advice)


_NOT_ALLOWED = _refuse(Reason.ENDPOINT_NOT_ALLOWED, Advice.FIX_TARGET)
_FOREIGN_KEY = _refuse(Reason.SUBSCRIPTION_KEY_MISMATCH, Advice.FIX_TARGET)
_NOT_ENCRYPTED = {
    EncryptionRefusal.KEY_LENGTH: _refuse(Reason.INVALID_TOKEN, Advice.FIX_TARGET),
    EncryptionRefusal.KEY_FORM: _refuse(Reason.INVALID_TOKEN, Advice.FIX_TARGET),
    EncryptionRefusal.KEY_NOT_ON_CURVE: _refuse(Reason.INVALID_TOKEN, Advice.FIX_TARGET),
    EncryptionRefusal.AUTH_LENGTH: _refuse(Reason.INVALID_TOKEN, Advice.FIX_TARGET),
    EncryptionRefusal.TOO_LONG: _refuse(Reason.PAYLOAD_TOO_LARGE, Advice.FIX_PAYLOAD),
}


class WebPushProvider:
    """One app at one origin, see :class:`gateway.delivery.providers.provider.Provider`."""

    name = "webpush"
    rate = None
    success_status = 201
    judged_headers = frozenset((RETRY_AFTER, *WNS_HEADERS))
    requests_lifetime_seconds = REQUESTS_LIFETIME_SECONDS

    def __init__(
        self,
        *,
        origin: str,
        service: Service | None,
        credential: WebPushCredential,
        dialer: Dialer,
        settings: WebPushSettings,
        clock: Clock,
        encryptor: Encryptor,
        keeps_locations: bool,
    ) -> None:
        """``service``: whose habits the origin has, None where it isn't allowed any more."""
        self.dialer = dialer
        self.refuses_all = service is None
        self._origin = origin
        self._service = service
        self._credential = credential
        self._settings = settings
        self._clock = clock
        self._encryptor = encryptor
        self._keeps_locations = keeps_locations

    def __repr__(self) -> str:
        return f"<WebPushProvider {self._origin}, {self._credential!r}>"

    def open_session(self, now: float) -> Session:
        """Return a fresh protocol state for a new connection."""
        return Session(
            authority=self.dialer.authority,
            now=now,
            stream_timeout_seconds=self._settings.stream_timeout_seconds,
            success_status=self.success_status,
            captured_headers=self._captured_headers(),
        )

    def _captured_headers(self) -> tuple[bytes, ...]:
        """Return what even a success is read for: WNS drops messages with 201, and a location is in a header."""
        wns = WNS_HEADERS if self._service is Service.WNS else ()
        return (*wns, LOCATION) if self._keeps_locations else wns

    async def build_requests(self, chunk: Chunk, batch: BatchRecord) -> BuiltRequests:
        """Return the rows of a chunk, encrypted and signed, with the seconds that are left now."""
        if self._service is None:
            return _refuse_all(chunk, batch, _NOT_ALLOWED)
        recipients = webpush.get_recipients(chunk)
        encrypted = await self._encryptor.encrypt(webpush.get_plaintexts(chunk), recipients)
        refused = {row: _NOT_ENCRYPTED[refusal] for row, refusal in encrypted.refusals.items()}
        refused |= dict.fromkeys(self._find_foreign_rows(chunk), _FOREIGN_KEY)
        now_ms = int(self._clock.wall() * 1000)
        columns = webpush.build_requests(chunk, encrypted.bodies, self._service, self._authorize, now_ms)
        return BuiltRequests(make_requests(columns, batch), columns, refused)

    def _find_foreign_rows(self, chunk: Chunk) -> list[int]:
        """Return the rows whose subscriptions were made with a key that the app doesn't have (any more)."""
        foreign = {
            number
            for number, variant in enumerate(chunk.variants)
            if not self._credential.has(webpush.get_public_key(variant))
        }
        if not foreign:
            return []
        variant_of_row = chunk.variant_of_row or [0] * len(chunk)
        return [row for row, number in enumerate(variant_of_row) if number in foreign]

    def _authorize(self, public_key: bytes) -> bytes:
        # Rows of a foreign key are refused: what stands in their requests is never looked at.
        return self._credential.authorize(public_key, self._origin) if self._credential.has(public_key) else b"-"

    def session_headers(self) -> HeaderSet:
        """Return nothing: rows of one lane may be signed with several keys, so each carries its own token."""
        return NO_HEADERS

    async def acquire_credential(self) -> None:
        """Return at once: tokens are signed here."""

    def classify(self, exchange: Exchange) -> Verdict:
        """Return an answer in our words."""
        service = self._service or Service.OTHER
        return webpush.classify(service, exchange.status, exchange.headers, exchange.body, self._clock.wall())

    def classify_goaway(self, debug_data: bytes) -> Verdict | None:
        """Return None: no push service says anything there."""
        del debug_data
        return None

    def provider_id(self, exchange: Exchange) -> str | None:
        """Return the URL of a message that a service took, where the app keeps locations."""
        is_taken = self._keeps_locations and exchange.status // 100 == 2
        return webpush.read_receipt(exchange.headers).location if is_taken else None

    def renew_credential(self, exchange: Exchange) -> bool:
        """Sign anew with the key of the row whose token was refused, where the token's age allows."""
        work = work_of(exchange.requests)
        return self._credential.renew(webpush.get_public_key(work.variant(exchange.row)), self._origin)

    def keep_credential(self) -> None:
        """Do nothing: Apple's wish for one token an hour is always kept."""


class WebPushProviders:
    """Makes the provider of a lane from its key: a lane is an app at one origin."""

    def __init__(
        self,
        settings: WebPushSettings,
        facts: Mapping[str, webpush.WebPushFacts],
        credentials: Mapping[str, WebPushCredential],
        clock: Clock,
        *,
        tls: ClientTls,
        encryptor: Encryptor,
        keeps_locations: frozenset[str],
        proxy: "Proxy | None" = None,
    ) -> None:
        """Take what is known of each app by its name; ``keeps_locations`` are the apps that want the messages' URLs."""
        self._settings = settings
        self._facts = facts
        self._credentials = credentials
        self._clock = clock
        self._encryptor = encryptor
        self._keeps_locations = keeps_locations
        self._addresses = webpush.AddressPolicy(settings.allowed_networks)
        self._lookups = Lookups(threads=LOOKUP_THREADS, clock=clock)
        self._first_tries = FirstTries()
        self._tls = tls
        self._proxy = proxy

    def provider_of_lane(self, lane: str) -> tuple[WebPushProvider, LaneLimits]:
        """Return the provider and the limits of a lane. Raises KeyError for an app that has no Web Push settings."""
        app, _, origin = lane.split("/", maxsplit=2)
        provider = WebPushProvider(
            origin=origin,
            service=self._facts[app].endpoints.find_service(origin),
            credential=self._credentials[app],
            dialer=self._make_dialer(origin),
            settings=self._settings,
            clock=self._clock,
            encryptor=self._encryptor,
            keeps_locations=app in self._keeps_locations,
        )
        return provider, _lane_limits(self._settings)

    def _make_dialer(self, origin: str) -> Dialer:
        return self._tls.dress(
            lambda context: Dialer(
                TcpAddress(*webpush.split_origin(origin)),
                context,
                timeout_seconds=self._settings.connect_timeout_seconds,
                resolver=self._lookups.resolve,
                proxy=self._proxy,
                is_allowed=self._addresses.allows,
                takes_http1=True,
                first_tries=self._first_tries,
            )
        )


def _refuse_all(chunk: Chunk, batch: BatchRecord, verdict: Verdict) -> BuiltRequests:
    columns = webpush.build_requests(chunk, [b""] * len(chunk), Service.OTHER, lambda _: b"-", 0)
    return BuiltRequests(make_requests(columns, batch), columns, dict.fromkeys(range(len(chunk)), verdict))


def _lane_limits(settings: WebPushSettings) -> LaneLimits:
    return LaneLimits(
        # An origin without work keeps no session: there may be thousands of them.
        pool=PoolLimits(least_sessions=0, most_sessions=settings.most_sessions),
        session=SessionLimits(
            window=settings.session_window,
            first_window=settings.session_window,
            ping_after_seconds=settings.ping_after_seconds,
            stall_after_seconds=settings.stall_after_seconds,
            idle_ping_seconds=settings.idle_ping_seconds,
            answer_timeout_seconds=settings.stream_timeout_seconds,
        ),
        reconnect_delay_seconds=settings.reconnect_delay_seconds,
        reconnect_ceiling_seconds=settings.reconnect_ceiling_seconds,
        read_ahead_rows=READ_AHEAD_ROWS,
    )
