"""All providers put together from settings and credentials: what preparation must know, and what each lane is to do.

A provider that no app has is not imported until a lane asks for it, as one may that is owed from other settings.
"""

from collections.abc import Callable, Mapping

import trio

from gateway.clock import Clock
from gateway.config import ApnsAppSettings, AppSettings, Config
from gateway.delivery.credentials import Credentials, WebPushCredential
from gateway.delivery.encryption import Encryptor
from gateway.delivery.lane import LaneLimits
from gateway.delivery.provider import Provider
from gateway.delivery.providers.apns import ApnsProviders
from protocol.lanes import get_provider
from protocol.preparation import ApnsFacts, AppFacts
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
        endpoints = EndpointPolicy(config.webpush.allowed_hosts)
        self._credentials = credentials
        self.facts: Mapping[str, AppFacts] = {
            name: _make_facts(name, app, credentials, endpoints) for name, app in config.apps.items()
        }
        self._encryptor = wrap_encryptor(
            Encryptor(
                threads=config.webpush.encryption_threads,
                ready_keys=config.webpush.ready_keys if credentials.webpush else 0,
                padding=config.webpush.padding,
            )
        )
        self._makers: Mapping[str, Callable[[], ProviderOfLane]] = {
            "apns": lambda: _make_apns(config, self.facts, credentials, clock),
            "fcm": lambda: _make_fcm(config, self.facts, credentials, clock),
            "webpush": lambda: _make_webpush(config, self.facts, credentials, clock, self._encryptor),
        }
        used = {"apns": credentials.apns, "fcm": credentials.fcm, "webpush": credentials.webpush}
        self._providers = {name: make() for name, make in self._makers.items() if used[name]}

    def provider_of_lane(self, lane: str) -> tuple[Provider, LaneLimits]:
        """Return the provider and the limits of a lane, by its key."""
        name = get_provider(lane)
        if name not in self._providers:
            self._providers[name] = self._makers[name]()
        return self._providers[name](lane)

    async def run(self) -> None:
        """Keep access tokens and keys ready until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._credentials.run)
            nursery.start_soon(self._encryptor.run)


def _make_facts(name: str, app: AppSettings, credentials: Credentials, endpoints: EndpointPolicy) -> AppFacts:
    return AppFacts(
        name=name,
        apns=None if app.apns is None else _make_apns_facts(app.apns),
        fcm=None if app.fcm is None else FcmFacts(project_id=credentials.fcm[name].project_id),
        webpush=None if app.webpush is None else _make_webpush_facts(credentials.webpush[name], endpoints),
    )


def _make_apns_facts(app: ApnsAppSettings) -> ApnsFacts:
    return ApnsFacts(topic=app.topic, environment=app.environment, token_auth=app.uses_token)


def _make_webpush_facts(credential: WebPushCredential, endpoints: EndpointPolicy) -> WebPushFacts:
    return WebPushFacts(
        vapid_keys=credential.public_keys, default_vapid_key=credential.default_key, endpoints=endpoints
    )


def _make_apns(config: Config, facts: Mapping[str, AppFacts], credentials: Credentials, clock: Clock) -> ProviderOfLane:
    of_app = {name: each.apns for name, each in facts.items() if each.apns is not None}
    return ApnsProviders(config.apns, of_app, credentials.apns, clock).provider_of_lane


def _make_fcm(config: Config, facts: Mapping[str, AppFacts], credentials: Credentials, clock: Clock) -> ProviderOfLane:
    from gateway.delivery.providers.fcm import FcmProviders

    of_app = {name: each.fcm for name, each in facts.items() if each.fcm is not None}
    keeping = frozenset(name for name, app in config.apps.items() if app.fcm is not None and app.fcm.keep_message_names)
    return FcmProviders(config.fcm, of_app, credentials.fcm, clock, keeps_names=keeping).provider_of_lane


def _make_webpush(
    config: Config, facts: Mapping[str, AppFacts], credentials: Credentials, clock: Clock, encryptor: Encryptor
) -> ProviderOfLane:
    from gateway.delivery.providers.webpush import WebPushProviders

    of_app = {name: each.webpush for name, each in facts.items() if each.webpush is not None}
    keeping = frozenset(
        name for name, app in config.apps.items() if app.webpush is not None and app.webpush.keep_locations
    )
    return WebPushProviders(
        config.webpush, of_app, credentials.webpush, clock, encryptor=encryptor, keeps_locations=keeping
    ).provider_of_lane
