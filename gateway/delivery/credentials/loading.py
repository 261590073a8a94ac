"""From settings to credentials: every app's files are opened, and everything that is wrong is told at once."""

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import trio

from gateway.clock import Clock
from gateway.config import ApnsAppSettings, Config, Fault, FcmAppSettings, WebPushAppSettings
from gateway.delivery.credentials.access_token_source import AccessTokenSource, Uniform
from gateway.delivery.credentials.apns_credential import ApnsCredential
from gateway.delivery.credentials.authorities import load_authorities
from gateway.delivery.credentials.errors import CredentialError, InvalidCredentialFileError
from gateway.delivery.credentials.fcm_credential import FcmCredential
from gateway.delivery.credentials.provider_token import ProviderTokenSource
from gateway.delivery.credentials.service_account_key import ServiceAccountKey, load_service_account_key
from gateway.delivery.credentials.sharing import SharedSources
from gateway.delivery.credentials.signing_key import load_signing_key
from gateway.delivery.credentials.vapid_key import VapidKey, load_vapid_key
from gateway.delivery.credentials.webpush_credential import WebPushCredential
from gateway.delivery.pacing.backoff import Backoff
from protocol.providers.apns import covers_topic

if TYPE_CHECKING:
    from gateway.delivery.credentials.client_certificate import ClientCertificate
    from gateway.delivery.credentials.token_exchange import TokenExchange
    from gateway.delivery.egress.proxy import Proxy

_dice = random.SystemRandom()


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """Who the apps are, by provider and name of the app.

    ``proxy`` is what all connections go through, with our login there; None where they are made directly.
    """

    apns: Mapping[str, ApnsCredential]
    fcm: Mapping[str, FcmCredential]
    webpush: Mapping[str, WebPushCredential]
    proxy: "Proxy | None" = None

    async def run(self) -> None:
        """Keep ready what must be fetched, until cancelled; return at once when there is nothing of the kind."""
        async with trio.open_nursery() as nursery:
            for credential in self.fcm.values():
                nursery.start_soon(credential.run)

    def adopt(self, fresh: "Credentials") -> tuple[list[str], list[Fault]]:
        """Take what was read from the same settings again; what is missing there stays as it is.

        Return the settings whose files have another key or certificate, and faults for what only a restart can take.
        """
        changed: list[str] = []
        faults: list[Fault] = []
        for app, apns in fresh.apns.items():
            if self.apns[app].adopt(apns):
                changed.append(f"apps.{app}.apns.{'key_file' if apns.certificate is None else 'certificate_file'}")
        for app, fcm in fresh.fcm.items():
            place = f"apps.{app}.fcm.service_account_file"
            if fcm.project_id != self.fcm[app].project_id:
                faults.append(Fault(place, f"of another project, {fcm.project_id}: that takes a restart"))
            elif self.fcm[app].adopt(fcm):
                changed.append(place)
        if self.proxy is not None and fresh.proxy is not None and self.proxy.adopt(fresh.proxy):
            changed.append("egress.proxy_login_file")
        changed += [f"apps.{app}.webpush" for app, webpush in fresh.webpush.items() if self.webpush[app].adopt(webpush)]
        return changed, faults


def load_credentials(config: Config, clock: Clock, *, uniform: Uniform = _dice.uniform) -> Credentials:
    """Return the credentials of all apps. Raises CredentialError with all faults.

    Certificates must be valid at the clock's time. ``uniform`` draws the jitter between tries to fetch a token.
    """
    credentials, faults = read_credentials(config, clock, uniform=uniform)
    if faults:
        raise CredentialError(faults)
    return credentials


def read_credentials(
    config: Config, clock: Clock, *, uniform: Uniform = _dice.uniform, proxy: "Proxy | None" = None
) -> tuple[Credentials, list[Fault]]:
    """Return the credentials that can be used, and what is wrong with the others; see :func:`load_credentials`.

    ``proxy`` is the one in use, where there is one already: access tokens are fetched through it.
    """
    loading = _Loading(config, clock, uniform, proxy)
    for name, app in config.apps.items():
        place = f"apps.{name}"
        if app.apns is not None:
            loading.load_apns(name, f"{place}.apns", app.apns)
        if app.fcm is not None:
            loading.load_fcm(name, f"{place}.fcm", app.fcm)
        if app.webpush is not None:
            loading.load_webpush(name, f"{place}.webpush", app.webpush)
    return loading.finish()


class _Loading:
    """One pass over the apps."""

    def __init__(self, config: Config, clock: Clock, uniform: Uniform, proxy: "Proxy | None") -> None:
        self._fcm_settings = config.fcm
        self._clock = clock
        self._uniform = uniform
        self._faults: list[Fault] = []
        self._apns: dict[str, ApnsCredential] = {}
        self._fcm: dict[str, FcmCredential] = {}
        self._webpush: dict[str, WebPushCredential] = {}
        self._provider_tokens: SharedSources[ProviderTokenSource] = SharedSources(self._faults, "key_id")
        self._access_tokens: SharedSources[AccessTokenSource] = SharedSources(self._faults, "private_key_id")
        self._exchange: TokenExchange | None = None
        self._proxy = self._load_proxy(config)
        self._proxy_in_use = proxy or self._proxy

    def finish(self) -> tuple[Credentials, list[Fault]]:
        return Credentials(apns=self._apns, fcm=self._fcm, webpush=self._webpush, proxy=self._proxy), self._faults

    def _load_proxy(self, config: Config) -> "Proxy | None":
        if config.egress.proxy is None:
            return None
        from gateway.delivery.egress.proxy import load_proxy

        return load_proxy(config.egress, self._clock, self._uniform, self._faults)

    def load_apns(self, app: str, place: str, settings: ApnsAppSettings) -> None:
        if settings.certificate_file is not None:
            known_faults = len(self._faults)
            with self._noting_faults(f"{place}.certificate_file"):
                certificate = self._load_certificate(place, settings)
                if len(self._faults) == known_faults:
                    self._apns[app] = ApnsCredential(certificate=certificate)
        elif settings.key_file is not None and settings.team_id is not None and settings.key_id is not None:
            team_id = settings.team_id
            with self._noting_faults(f"{place}.key_file"):
                key = load_signing_key(settings.key_id, Path(settings.key_file))
                source = self._provider_tokens.share(
                    (team_id, key.key_id),
                    key.public_bytes,
                    f"{place}.key_file",
                    lambda: ProviderTokenSource(team_id, key),
                )
                self._apns[app] = ApnsCredential(token=source)

    def _load_certificate(self, place: str, settings: ApnsAppSettings) -> "ClientCertificate":
        from gateway.delivery.credentials.client_certificate import load_client_certificate

        key_file = Path(settings.certificate_key_file) if settings.certificate_key_file else None
        now = datetime.fromtimestamp(self._clock.wall(), UTC)
        certificate = load_client_certificate(Path(settings.certificate_file or ""), key_file, now)
        if settings.topic and not covers_topic(certificate.topics, settings.topic):
            known = ", ".join(sorted(certificate.topics))
            self._faults.append(
                Fault(f"{place}.topic", f"not covered by {settings.certificate_file}, which has {known}")
            )
        return certificate

    def load_fcm(self, app: str, place: str, settings: FcmAppSettings) -> None:
        place = f"{place}.service_account_file"
        with self._noting_faults(place):
            account = load_service_account_key(Path(settings.service_account_file or ""))
            exchange = self._get_exchange()
            if exchange is not None:
                source = self._access_tokens.share(
                    account.identity, account.public_bytes, place, lambda: self._make_source(account, exchange)
                )
                self._fcm[app] = FcmCredential(account.project_id, source)

    def _get_exchange(self) -> "TokenExchange | None":
        """Return what all service accounts use; None, with a fault noted once, when its authorities can't be read."""
        from gateway.delivery.credentials.token_exchange import TokenExchange

        settings = self._fcm_settings
        if self._exchange is None and not any(fault.place == "fcm.ca_file" for fault in self._faults):
            with self._noting_faults("fcm.ca_file"):
                self._exchange = TokenExchange(
                    settings.token_uri,
                    load_authorities(Path(settings.ca_file) if settings.ca_file else None),
                    connect_timeout_seconds=settings.connect_timeout_seconds,
                    timeout_seconds=settings.stream_timeout_seconds,
                    proxy=self._proxy_in_use,
                )
        return self._exchange

    def _make_source(self, account: ServiceAccountKey, exchange: "TokenExchange") -> AccessTokenSource:
        settings = self._fcm_settings
        retry = Backoff(settings.reconnect_delay_seconds, settings.reconnect_ceiling_seconds, self._uniform)
        fetch = partial(exchange.fetch, account)
        return AccessTokenSource(
            account.project_id,
            fetch,
            retry=retry,
            clock=self._clock,
            uniform=self._uniform,
            public_bytes=account.public_bytes,
        )

    def load_webpush(self, app: str, place: str, settings: WebPushAppSettings) -> None:
        keys: dict[str, VapidKey] = {}
        known_faults = len(self._faults)
        for name, file in settings.key_files.items():
            key_place = f"{place}.vapid_key_file" if settings.vapid_key_file else f"{place}.vapid_key_files.{name}"
            with self._noting_faults(key_place):
                key = load_vapid_key(Path(file))
                same = [other for other in keys if keys[other].public_key == key.public_key]
                if same:
                    self._faults.append(Fault(key_place, f"the same key as {same[0]}: a new id needs a new key"))
                keys[name] = key
        if len(self._faults) == known_faults:
            self._webpush[app] = WebPushCredential(settings.subject or "", keys, settings.default_key, self._clock)

    @contextmanager
    def _noting_faults(self, place: str) -> Iterator[None]:
        try:
            yield
        except InvalidCredentialFileError as error:
            self._faults.append(Fault(place, str(error)))
