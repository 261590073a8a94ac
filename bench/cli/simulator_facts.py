"""What each simulator announces: where it listens, and what a gateway's configuration takes from it."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.simulators.apns import ApnsSimulator
    from bench.simulators.fcm import FcmSimulator
    from bench.simulators.together import AllSimulators
    from bench.simulators.webpush import WebPushSimulator


def describe_apns(simulator: "ApnsSimulator") -> dict[str, object]:
    """Return the facts about an APNs."""
    options = simulator.options
    facts: dict[str, object] = {
        "host": options.host,
        "port": simulator.port,
        "ca_file": str(simulator.ca_file),
        "key_file": str(simulator.credentials.key_file),
        "key_id": options.keys[0].key_id,
        "team_id": options.keys[0].team_id,
        "topic": options.topics[0],
        "environment": options.environment,
    }
    certificate = simulator.credentials.client_certificate
    if certificate is not None:
        facts["certificate_file"] = str(certificate.certificate_file)
        facts["certificate_key_file"] = str(certificate.key_file)
    return facts


def describe_fcm(simulator: "FcmSimulator") -> dict[str, object]:
    """Return the facts about an FCM."""
    return {
        "host": simulator.options.host,
        "port": simulator.port,
        "ca_file": str(simulator.ca_file),
        "project_id": simulator.account.project_id,
        "service_account_file": str(simulator.account.file),
        "token_uri": simulator.token_uri,
    }


def describe_webpush(simulator: "WebPushSimulator") -> dict[str, object]:
    """Return the facts about the push services."""
    from bench.simulators.webpush import SERVICE_OF_ORIGIN

    origins = simulator.origins
    return {
        "ca_file": str(simulator.ca_file),
        "vapid_key_files": {key_id: str(file) for key_id, file in simulator.vapid_key_files.items()},
        "subject": simulator.options.subject,
        "origins": origins,
        "allowed_hosts": {url.removeprefix("https://"): SERVICE_OF_ORIGIN[name] for name, url in origins.items()},
        "subscriptions_file": str(simulator.subscriptions_file) if simulator.options.subscriptions else None,
    }


def describe_all(simulators: "AllSimulators") -> dict[str, object]:
    """Return the facts about all three, and about the files for a gateway when they were written."""
    from bench.simulators.gateway_config import APP

    facts: dict[str, object] = {
        "apns": describe_apns(simulators.apns),
        "fcm": describe_fcm(simulators.fcm),
        "webpush": describe_webpush(simulators.webpush),
    }
    if simulators.gateway is not None:
        facts["gateway"] = {
            "config_file": str(simulators.gateway.config_file),
            "address": simulators.gateway.address,
            "app": APP,
            "notifications_file": str(simulators.gateway.notifications_file),
        }
    return facts
