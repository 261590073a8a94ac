"""All providers put together from settings and credentials: what preparation must know, and what each lane is to do.

A provider that no app has is not imported until a lane asks for it, as one may that is owed from other settings.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import trio

from gateway.clock import Clock
from gateway.config import ApnsAppSettings, AppSettings, Config
from gateway.delivery.credentials import Credentials, WebPushCredential
from gateway.delivery.egress.client_tls import ClientTls
from gateway.delivery.egress.dialer import HTTP1, HTTP2
from gateway.delivery.pacing.limits import LaneLimits
from gateway.delivery.providers.apns import ApnsProviders
from gateway.delivery.providers.encryption import Encryptor
from gateway.delivery.providers.provider import Provider
from gateway.delivery.providers.rereading import Found, Rereading
from protocol.lanes import get_provider
from protocol.preparation import ApnsFacts, AppFacts, find_missing
from protocol.providers.fcm import FcmFacts
from protocol.providers.webpush import EndpointPolicy, WebPushFacts

ProviderOfLane = Callable[[str], tuple[Provider, LaneLimits]]


class Providers:
    """``facts`` are what preparation must know of each app; ``run`` keeps ready what providers need."""

    def __init__(
        self,
        config: Config,
        credentials: Credentials,
        clock: Clock,
        wrap_encryptor: Callable[[Encryptor], Encryptor],
    ) -> None:
        """Put them together. Raises GatewayError when a file that the settings name can't be used."""
        self._config = config
        self._credentials = credentials
        self._clock = clock
        self._tls: list[ClientTls] = []
        self._rereading = Rereading(config, credentials, self._tls, clock, self._update_facts)
        self.facts: dict[str, AppFacts] = {}
        self._update_facts()
        self._encryptor = wrap_encryptor(
            Encryptor(
                threads=config.webpush.encryption_threads,
                ready_keys=config.webpush.ready_keys if credentials.webpush else 0,
                padding=config.webpush.padding,
            )
        )
        self._makers: Mapping[str, Callable[[], ProviderOfLane]] = {
            "apns": self._make_apns,
            "fcm": self._make_fcm,
            "webpush": self._make_webpush,
        }
        used = {"apns": credentials.apns, "fcm": credentials.fcm, "webpush": credentials.webpush}
        self._providers = {name: make() for name, make in self._makers.items() if used[name]}

    def provider_of_lane(self, lane: str) -> tuple[Provider, LaneLimits]:
        """Return the provider and the limits of a lane, by its key."""
        name = get_provider(lane)
        if name not in self._providers:
            self._providers[name] = self._makers[name]()
        return self._providers[name](lane)

    def find_missing(self, lane: str, account: str) -> str | None:
        """Return what the settings lack to send what was accepted for a lane and account; None when nothing is."""
        return find_missing(self.facts, lane, account)

    async def reread(self, *, tells: bool = True) -> Found:
        """Read credentials, certificates and CA files again; see :class:`Rereading`."""
        return await self._rereading.look(tells=tells)

    def _update_facts(self) -> None:
        """Tell preparation who the apps are, a VAPID key of whom may be another one now."""
        self.facts.update(make_facts(self._config, self._credentials))

    def _open_tls(self, place: str, ca_file: str | None, **options: Any) -> ClientTls:  # noqa: ANN401 - of ClientTls
        tls = ClientTls(place, Path(ca_file) if ca_file else None, **options)
        self._tls.append(tls)
        return tls

    def _make_apns(self) -> ProviderOfLane:
        settings = self._config.apns
        tls = {}
        for name, credential in self._credentials.apns.items():
            place = "apns.ca_file" if credential.certificate is None else f"apps.{name}.apns.certificate_file"
            tls[name] = self._open_tls(place, settings.ca_file, certificate=lambda of=credential: of.certificate_chain)
        facts = {name: each.apns for name, each in self.facts.items() if each.apns is not None}
        return ApnsProviders(
            settings, facts, self._credentials.apns, self._clock, tls, proxy=self._credentials.proxy
        ).provider_of_lane

    def _make_fcm(self) -> ProviderOfLane:
        from gateway.delivery.providers.fcm import FcmProviders

        settings, apps = self._config.fcm, self._config.apps
        return FcmProviders(
            settings,
            {name: each.fcm for name, each in self.facts.items() if each.fcm is not None},
            self._credentials.fcm,
            self._clock,
            tls=self._open_tls("fcm.ca_file", settings.ca_file),
            keeps_names=frozenset(name for name, app in apps.items() if app.fcm and app.fcm.keep_message_names),
            proxy=self._credentials.proxy,
        ).provider_of_lane

    def _make_webpush(self) -> ProviderOfLane:
        from gateway.delivery.providers.webpush import WebPushProviders

        settings, apps = self._config.webpush, self._config.apps
        return WebPushProviders(
            settings,
            {name: each.webpush for name, each in self.facts.items() if each.webpush is not None},
            self._credentials.webpush,
            self._clock,
            tls=self._open_tls("webpush.ca_file", settings.ca_file, protocols=(HTTP2, HTTP1)),
            encryptor=self._encryptor,
            keeps_locations=frozenset(name for name, app in apps.items() if app.webpush and app.webpush.keep_locations),
            proxy=self._credentials.proxy,
        ).provider_of_lane

    async def run(self) -> None:
        """Keep access tokens and keys ready until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._credentials.run)
            nursery.start_soon(self._encryptor.run)


def make_facts(config: Config, credentials: Credentials) -> Mapping[str, AppFacts]:
    """Return what is known of each app by its name."""
    takes_public_hosts = config.webpush.hosts == "public"
    endpoints = EndpointPolicy(config.webpush.allowed_hosts, takes_public_hosts=takes_public_hosts)
    return {name: _make_facts(name, app, credentials, endpoints) for name, app in config.apps.items()}


def _make_facts(name: str, app: AppSettings, credentials: Credentials, endpoints: EndpointPolicy) -> AppFacts:
    return AppFacts(
        name=name,
        apns=None if app.apns is None else _make_apns_facts(app.apns, credentials.apns[name].topics),
        fcm=None if app.fcm is None else FcmFacts(project_id=credentials.fcm[name].project_id),
        webpush=None if app.webpush is None else _make_webpush_facts(credentials.webpush[name], endpoints),
    )


def _make_apns_facts(app: ApnsAppSettings, certificate_topics: frozenset[str]) -> ApnsFacts:
    return ApnsFacts(
        topic=app.topic,
        environment=app.environment,
        token_auth=app.uses_token,
        team_id=app.team_id,
        certificate_topics=certificate_topics,
    )


def _make_webpush_facts(credential: WebPushCredential, endpoints: EndpointPolicy) -> WebPushFacts:
    return WebPushFacts(
        vapid_keys=credential.public_keys, default_vapid_key=credential.default_key, endpoints=endpoints
    )
