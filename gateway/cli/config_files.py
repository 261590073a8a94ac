"""Opens everything that settings name: what can't be used, and who the apps turn out to be."""

import ssl
from collections import Counter
from pathlib import Path

import msgspec

from gateway.clock import SystemClock
from gateway.config import Config, Fault, Risk
from gateway.delivery.credentials import (
    CredentialError,
    Credentials,
    InvalidCredentialFileError,
    describe_file_error,
    load_authorities,
    load_credentials,
)
from gateway.delivery.providers.assembly import make_facts
from gateway.journal.errors import JournalError
from gateway.journal.sqlite import find_disk_shortage, find_journal_fault
from gateway.journal.sqlite.care.survey import Survey
from gateway.journal.sqlite.disk.files import DATABASE
from protocol.preparation import find_missing


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """What of an app's credentials is for everybody to know. ``vapid_public_keys`` are applicationServerKeys by id."""

    fcm_project_id: str | None = None
    vapid_public_keys: dict[str, str] = msgspec.field(default_factory=dict)
    default_vapid_key: str | None = None


def open_files(config: Config) -> tuple[list[Fault], dict[str, Identity]]:
    """Return all faults, and the apps' identities where there are none."""
    faults = [*_find_tls_faults(config), *_find_authority_faults(config), *_find_journal_faults(config)]
    identities: dict[str, Identity] = {}
    try:
        identities = _identify(load_credentials(config, SystemClock()), config)
    except CredentialError as error:
        faults += error.faults
    return list(dict.fromkeys(faults)), identities


def find_disk_risks(config: Config) -> list[Risk]:
    """Return what the disk doesn't have of what the settings let the journal take."""
    if config.journal.engine == "memory":
        return []
    shortage = find_disk_shortage(Path(config.journal.directory), config.journal.most_bytes)
    return [] if shortage is None else [Risk("journal.most_bytes", shortage)]


def find_owed_risks(config: Config) -> list[Risk]:
    """Return what is owed and can't be sent with these settings, all of whose files can be used."""
    folder = Path(config.journal.directory)
    if config.journal.engine == "memory" or not (folder / DATABASE).exists():
        return []
    try:
        owed = Survey(folder).count_by_account()
    except JournalError as error:
        return [Risk("journal.directory", f"what is owed can't be looked at: {error}")]
    facts = make_facts(config, load_credentials(config, SystemClock()))
    rows: Counter[str] = Counter()
    for (lane, account), count in owed.items():
        if (missing := find_missing(facts, lane, account)) is not None:
            rows[missing] += count
    return [
        Risk("journal.directory", f"{count:,} notifications that are owed can't be sent, and will be kept: {missing}")
        for missing, count in rows.items()
    ]


def _identify(credentials: Credentials, config: Config) -> dict[str, Identity]:
    identities = {}
    for app in config.apps:
        fcm, webpush = credentials.fcm.get(app), credentials.webpush.get(app)
        identities[app] = Identity(
            fcm_project_id=fcm.project_id if fcm else None,
            vapid_public_keys=dict(webpush.public_keys) if webpush else {},
            default_vapid_key=webpush.default_key if webpush else None,
        )
    return identities


def _find_tls_faults(config: Config) -> list[Fault]:
    listen = config.listen
    if listen.tls_certificate_file is None:
        return []
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(
            listen.tls_certificate_file, listen.tls_key_file, password=_refuse_passphrase
        )
    except (OSError, ValueError) as error:
        files = f"{listen.tls_certificate_file}, {listen.tls_key_file}"
        return [Fault("listen.tls_certificate_file", f"{files}: {describe_file_error(error)}")]
    return []


def _find_authority_faults(config: Config) -> list[Fault]:
    faults = []
    for name, section in (("apns", config.apns), ("fcm", config.fcm), ("webpush", config.webpush)):
        if section.ca_file is not None:
            try:
                load_authorities(Path(section.ca_file))
            except InvalidCredentialFileError as error:
                faults.append(Fault(f"{name}.ca_file", str(error)))
    return faults


def _find_journal_faults(config: Config) -> list[Fault]:
    if config.journal.engine == "memory":
        return []
    fault = find_journal_fault(Path(config.journal.directory))
    return [] if fault is None else [Fault("journal.directory", f"{config.journal.directory}: {fault}")]


def _refuse_passphrase() -> str:
    # Without it OpenSSL would ask the terminal, and a gateway started by a supervisor would wait for ever.
    raise ValueError("the private key is encrypted; store it without a passphrase")
