"""What an answer proves of a credential, what it can't, and what to do about it."""

from collections.abc import Callable
from enum import Enum

import msgspec

from gateway.live.probes import Probe
from protocol.outcomes import AttemptOutcome, Remedy, Verdict
from protocol.reasons import Reason


class Finding(Enum):
    """What came of a probe, from good to bad."""

    PROVEN = "proven"  # the provider accepts the credential
    NOT_REFUSED = "not_refused"  # it was reached and found nothing wrong, without saying that it looked
    UNTOLD = "untold"  # no answer, or one that says nothing of the credential
    REFUSED = "refused"  # it doesn't accept the credential, or what it is used for


class Word(msgspec.Struct, frozen=True):
    """What is said of a probe: the finding, what it means, and what to do; None: nothing."""

    finding: Finding
    meaning: str
    to_do: str | None = None


class ProbeAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A probe with what came back, in the provider's words, and ours. ``came_back`` is None where nothing did."""

    app: str
    provider: str
    setting: str
    sent: str
    to: str
    through: str | None
    came_back: str | None
    finding: Finding
    meaning: str
    to_do: str | None


_CLOCK = "check this machine's clock"
_KEY = "check team_id, key_id and key_file of the app, and that the key was not revoked in Apple's developer account"
_ENVIRONMENT = "check environment, and in Apple's developer account which environment the key is for"
_TOPIC = "check topic, and that the key or certificate is for it"
_CERTIFICATE = "check certificate_file: it is revoked, expired, or for the other environment"
_PROJECT = (
    "check project_id in service_account_file; give the account the role Firebase Cloud Messaging API Admin, and "
    "enable the Firebase Cloud Messaging API (v1) in the project"
)
_APNS_REFUSALS = {
    "ExpiredProviderToken": ("APNs calls a token that was just made expired", _CLOCK),
    "InvalidProviderToken": ("APNs doesn't accept the provider token", _KEY + f"; {_CLOCK}"),
    "MissingProviderToken": ("APNs wants a provider token", "set team_id, key_id and key_file"),
    "Forbidden": ("APNs doesn't let this key or certificate do that", _KEY),
    "BadEnvironmentKeyIdInToken": ("the key is not for this environment", _ENVIRONMENT),
    "BadEnvironmentKeyInToken": ("the key is not for this environment", _ENVIRONMENT),
    "UnrelatedKeyIdInToken": ("APNs knows the connection by another key", "try again"),
    "BadCertificate": ("APNs doesn't accept the certificate", _CERTIFICATE),
    "BadCertificateEnvironment": ("the certificate is for the other environment", _CERTIFICATE),
    "TopicDisallowed": ("the credential is good, but not for this topic", _TOPIC),
    "BadTopic": ("APNs doesn't know such a topic", _TOPIC),
    "MissingTopic": ("APNs wants a topic", "set topic"),
}
_FCM_REFUSALS = {
    401: ("FCM doesn't accept the access token", f"check service_account_file; {_CLOCK}"),
    403: ("the service account may not send for this project", _PROJECT),
    404: ("FCM doesn't know the project", "check project_id in service_account_file"),
}
# FCM says these of a destination, once it has accepted who asks.
_OF_FCM_TARGET = frozenset({Reason.DEAD_TOKEN, Reason.INVALID_TOKEN, Reason.INVALID_PAYLOAD, Reason.WRONG_APP})
_OF_APNS_TARGET = frozenset({Reason.DEAD_TOKEN, Reason.INVALID_TOKEN, Reason.WRONG_APP})
_LATER = "try again later"


def judge(probe: Probe, status: int, verdict: Verdict) -> Word:
    """Return what an answer to a probe says."""
    if verdict.outcome is AttemptOutcome.ACCEPTED:
        return Word(
            Finding.PROVEN, f"{_NAMES[probe.provider]} accepts the credential, and finds nothing wrong with the request"
        )
    if verdict.reason in {Reason.RATE_LIMITED, Reason.PROVIDER_ERROR} and (status == 429 or status >= 500):
        return Word(Finding.UNTOLD, "it is there, and busy or in trouble: nothing is said of the credential", _LATER)
    return _JUDGES[probe.provider](status, verdict)


def _judge_apns(status: int, verdict: Verdict) -> Word:
    refusal = _APNS_REFUSALS.get(verdict.provider_reason or "")
    if refusal is not None:
        return Word(Finding.REFUSED, *refusal)
    if verdict.reason in _OF_APNS_TARGET:
        return Word(
            Finding.PROVEN, "APNs accepts the credential and the topic: all it complains of is the made-up token"
        )
    if verdict.reason is Reason.BAD_CREDENTIALS:
        return Word(Finding.REFUSED, "APNs doesn't accept the credential", _KEY)
    return _say_unknown(status)


def _judge_fcm(status: int, verdict: Verdict) -> Word:
    if verdict.reason in _OF_FCM_TARGET:
        return Word(
            Finding.PROVEN, "FCM accepts the service account for this project: all it complains of is the made-up token"
        )
    if verdict.provider_reason in {"THIRD_PARTY_AUTH_ERROR", "APNS_AUTH_ERROR"}:
        return Word(
            Finding.PROVEN,
            "FCM accepts the service account; the project's own key for APNs or Web Push is not accepted there",
            "check the APNs key of the project in the Firebase console",
        )
    refusal = _FCM_REFUSALS.get(status)
    return Word(Finding.REFUSED, *refusal) if refusal is not None else _say_unknown(status)


def _judge_webpush(status: int, verdict: Verdict) -> Word:
    if verdict.remedy in {Remedy.FRESH_TOKEN, Remedy.HOLD_LANE}:
        return Word(
            Finding.REFUSED,
            "the service doesn't accept what the request is signed with",
            f"check subject, which must be an address at a real domain, and the file of the key; {_CLOCK}",
        )
    if verdict.reason in {Reason.DEAD_TOKEN, Reason.INVALID_TOKEN}:
        return Word(
            Finding.NOT_REFUSED,
            "the service was reached and doesn't know the made-up endpoint; a service that looks the endpoint up first "
            "has said nothing of the key, and whether subscriptions were made with it only a real one shows",
        )
    if verdict.reason in {Reason.BAD_CREDENTIALS, Reason.SUBSCRIPTION_KEY_MISMATCH}:
        return Word(
            Finding.UNTOLD,
            "the service refuses the signature or the made-up endpoint, and doesn't say which",
            "send to a subscription of your own to know",
        )
    return _say_unknown(status, "what it dislikes may be the made-up endpoint" if 400 <= status < 500 else "")


def _say_unknown(status: int, more: str = "") -> Word:
    meaning = f"an answer ({status}) that says nothing of the credential"
    return Word(Finding.UNTOLD, f"{meaning}: {more}" if more else meaning, "look at what came back")


_NAMES = {"apns": "APNs", "fcm": "FCM", "webpush": "the service"}
_JUDGES: dict[str, Callable[[int, Verdict], Word]] = {
    "apns": _judge_apns,
    "fcm": _judge_fcm,
    "webpush": _judge_webpush,
}
