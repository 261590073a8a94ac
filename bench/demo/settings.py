"""The settings of a run's gateway: one app with credentials for all three providers, all of them simulators."""

import json
from pathlib import Path

from bench.demo.plan import APP, DEFAULT_VAPID_KEY
from bench.demo.simulators import ApnsFacts, FcmFacts, SimulatorFacts, WebPushFacts

DRAIN_SECONDS = 5.0
FCM_RAMP_SECONDS = 2.0
"""Google asks for a minute, which is longer than the whole run."""

# A JSON string or list is a TOML one, too.
_toml = json.dumps


def write_settings(socket: Path, journal: Path, facts: SimulatorFacts) -> str:
    """Return the gateway's settings."""
    sections = (
        _write_own(socket, journal),
        _write_apns(facts.apns),
        _write_fcm(facts.fcm),
        _write_webpush(facts.webpush),
    )
    return "\n".join(sections)


def _write_own(socket: Path, journal: Path) -> str:
    return f"""\
[listen]
socket = [{_toml(f"unix:{socket}")}]

[journal]
directory = {_toml(str(journal))}

[delivery]
drain_timeout_seconds = {DRAIN_SECONDS}
"""


def _write_apns(facts: ApnsFacts) -> str:
    return f"""\
[apns]
production_address = {_toml(f"{facts.host}:{facts.port}")}
ca_file = {_toml(facts.ca_file)}

[apps.{APP}.apns]
team_id = {_toml(facts.team_id)}
key_id = {_toml(facts.key_id)}
key_file = {_toml(facts.key_file)}
topic = {_toml(facts.topic)}
environment = "production"
"""


def _write_fcm(facts: FcmFacts) -> str:
    return f"""\
[fcm]
address = {_toml(f"{facts.host}:{facts.port}")}
token_uri = {_toml(facts.token_uri)}
ca_file = {_toml(facts.ca_file)}
ramp_seconds = {FCM_RAMP_SECONDS}

[apps.{APP}.fcm]
service_account_file = {_toml(facts.service_account_file)}
keep_message_names = true
"""


def _write_webpush(facts: WebPushFacts) -> str:
    hosts = "\n".join(f"{_toml(host)} = {_toml(service)}" for host, service in facts.allowed_hosts.items())
    keys = "\n".join(f"{_toml(key)} = {_toml(file)}" for key, file in facts.vapid_key_files.items())
    return f"""\
[webpush]
ca_file = {_toml(facts.ca_file)}
allowed_networks = ["127.0.0.0/8"]

[webpush.allowed_hosts]
{hosts}

[apps.{APP}.webpush]
subject = {_toml(facts.subject)}
default_vapid_key = {_toml(DEFAULT_VAPID_KEY)}
keep_locations = true

[apps.{APP}.webpush.vapid_key_files]
{keys}
"""
