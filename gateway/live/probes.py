"""What is sent to prove a credential: one notification to a destination that can't be anybody's.

- APNs: a background push to the device token of zeros, in each environment that the app may send to.
- FCM: a message to a made-up registration token with ``validate_only``, which FCM checks and doesn't deliver.
- Web Push: an encrypted message of no use to a made-up endpoint at each service, signed with each of the app's keys.
"""

import secrets
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.config import ApnsAppSettings, Config
from protocol.lanes import ApnsEnvironment
from protocol.preparation import ApnsFacts, AppFacts
from protocol.providers.webpush import Service, base64url

PROVIDERS = ("apns", "fcm", "webpush")
ENVIRONMENTS: tuple[ApnsEnvironment, ...] = ("production", "sandbox")
DEVICE_TOKEN = "0" * 64
REGISTRATION_TOKEN = "pushmill-check-config:made-up-and-nobodys-registration-token"  # noqa: S105 - nobody's
# Long enough to be looked at, and forgotten a minute later by whatever would keep it.
TTL_SECONDS = 60
AUTH_SECRET_BYTES = 16
PATH_BYTES = 130

# Of each known service a host where endpoints stand.
SERVICE_HOSTS = {
    "mozilla": ("updates.push.services.mozilla.com", Service.MOZILLA),
    "fcm": ("fcm.googleapis.com", Service.FCM),
    "apple": ("web.push.apple.com", Service.APPLE),
    "wns": ("wns2-par02p.notify.windows.com", Service.WNS),
}
_PATHS = {
    Service.MOZILLA: "/wpush/v2/gAAAAA",
    Service.FCM: "/fcm/send/",
    Service.APPLE: "/Q",
    Service.WNS: "/w/?token=",
    Service.OTHER: "/push/",
}


class UnknownChoiceError(Exception):
    """An app, provider or service was chosen that there is not; the message says what there is."""


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """Which apps, providers and Web Push services (by name, or ``host:port``) are tried; empty: all."""

    apps: Sequence[str] = ()
    providers: Sequence[str] = ()
    services: Sequence[str] = ()


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """One notification. ``sent`` and ``to`` say in words what goes where; ``fault`` why nothing can be sent.

    ``notification`` is what a caller would write. ``setting`` is where the credential stands in the settings.
    """

    app: str
    provider: str
    setting: str
    sent: str
    to: str
    service: Service | None = None
    notification: dict[str, Any] = {}
    fault: str | None = None


def plan_probes(config: Config, facts: dict[str, AppFacts], choice: Choice) -> list[Probe]:
    """Return what there is to try. Raises UnknownChoiceError."""
    services = _find_services(config)
    _check_known("app", choice.apps, config.apps)
    _check_known("provider", choice.providers, PROVIDERS)
    _check_known("service", choice.services, services)
    chosen = {name: place for name, place in services.items() if not choice.services or name in choice.services}
    return [
        probe
        for name, app in config.apps.items()
        if not choice.apps or name in choice.apps
        for provider, probes in (
            ("apns", _plan_apns(config, facts[name].apns, name, app.apns) if app.apns else ()),
            ("fcm", _plan_fcm(config, facts[name]) if app.fcm else ()),
            ("webpush", _plan_webpush(facts[name], chosen) if app.webpush else ()),
        )
        if not choice.providers or provider in choice.providers
        for probe in probes
    ]


def _check_known(kind: str, chosen: Sequence[str], known: Any) -> None:  # noqa: ANN401 - any collection of names
    for name in chosen:
        if name not in known:
            raise UnknownChoiceError(f"no {kind} {name!r} to try; there is {', '.join(known)}")


def _plan_apns(config: Config, facts: ApnsFacts | None, app: str, settings: ApnsAppSettings) -> Iterator[Probe]:
    topic = facts.bundle_id if facts is not None else settings.topic
    named = topic or "the topic of the certificate"
    # A certificate for calls covers no other push.
    is_call = facts is not None and facts.is_for_calls_alone
    options = {"push_type": "voip", "priority": 10} if is_call else {"push_type": "background", "priority": 5}
    for environment in ENVIRONMENTS if settings.environment is None else (settings.environment,):
        address = config.apns.production_address if environment == "production" else config.apns.sandbox_address
        probe = Probe(
            app=app,
            provider="apns",
            setting=f"apps.{app}.apns",
            sent=f"a {options['push_type']} push for {named} to the device token of zeros, {environment}",
            to=address,
            notification={
                "to": {"apns": {"token": DEVICE_TOKEN, "environment": environment}},
                "payload_json": b'{"aps":{"content-available":1}}',
                "apns": options,
            },
        )
        if topic is None and settings.uses_token:
            fault = "the app has no topic of its own: set topic to have its credential tried"
            probe = msgspec.structs.replace(probe, sent=f"nothing, {environment}", fault=fault)
        yield probe


def _plan_fcm(config: Config, facts: AppFacts) -> Iterator[Probe]:
    project = facts.fcm.project_id if facts.fcm else ""
    yield Probe(
        app=facts.name,
        provider="fcm",
        setting=f"apps.{facts.name}.fcm",
        sent=f"an assertion of the service account to {config.fcm.token_uri}, and with the access token a message to a "
        f"made-up registration token of {project}, to be validated only",
        to=config.fcm.address,
        notification={"to": {"fcm": {"token": REGISTRATION_TOKEN}}, "payload_json": b'{"data":{"check":"config"}}'},
    )


def _plan_webpush(facts: AppFacts, services: dict[str, tuple[str, Service]]) -> Iterator[Probe]:
    for key in facts.webpush.vapid_keys if facts.webpush else ():
        for name, (authority, service) in services.items():
            yield Probe(
                app=facts.name,
                provider="webpush",
                setting=f"apps.{facts.name}.webpush",
                sent=f"a message signed with the VAPID key {key} to a made-up endpoint of {name}",
                to=authority,
                service=service,
                notification={
                    "to": {"webpush": _make_subscription(make_endpoint(authority, service), key)},
                    "payload_bytes": b"",
                },
            )


def make_endpoint(authority: str, service: Service) -> str:
    """Return an endpoint in the service's manner that was never given out."""
    return f"https://{authority}{_PATHS[service]}{secrets.token_urlsafe(PATH_BYTES)}"


def _make_subscription(endpoint: str, key: str) -> dict[str, Any]:
    public_key = ec.generate_private_key(ec.SECP256R1()).public_key()
    point = public_key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    auth = secrets.token_bytes(AUTH_SECRET_BYTES)
    keys = {"p256dh": base64url.encode(point), "auth": base64url.encode(auth)}
    return {"endpoint": endpoint, "keys": keys, "vapid_key": key}


def _find_services(config: Config) -> dict[str, tuple[str, Service]]:
    """Return the known services, and those that a setting allows by a whole host, by name."""
    added = {
        pattern: (pattern, service)
        for pattern, service in config.webpush.allowed_hosts.items()
        if not pattern.startswith("*.")
    }
    return SERVICE_HOSTS | added
