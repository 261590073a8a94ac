"""From settings to credentials: every app's files are opened, and everything that is wrong is told at once."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from gateway.config import ApnsAppSettings, Config, Fault
from gateway.delivery.credentials.apns_credential import ApnsCredential
from gateway.delivery.credentials.client_certificate import ClientCertificate, load_client_certificate
from gateway.delivery.credentials.errors import CredentialError, InvalidCredentialFileError
from gateway.delivery.credentials.provider_token import ProviderTokenSource
from gateway.delivery.credentials.signing_key import SigningKey, load_signing_key


def load_credentials(config: Config, now: float) -> dict[str, ApnsCredential]:
    """Return the APNs credential of each app that has one. Raises CredentialError with all faults.

    ``now`` (UNIX seconds) is what certificates must be valid at.
    """
    loading = _Loading(datetime.fromtimestamp(now, UTC))
    for name, app in config.apps.items():
        if app.apns is not None:
            loading.load(name, app.apns)
    if loading.faults:
        raise CredentialError(loading.faults)
    return loading.credentials


class _Loading:
    """One pass over the apps. Apps with the same team and key share one token source."""

    def __init__(self, now: datetime) -> None:
        self.credentials: dict[str, ApnsCredential] = {}
        self.faults: list[Fault] = []
        self._now = now
        self._keys: dict[tuple[str, str], tuple[SigningKey, ProviderTokenSource, str]] = {}

    def load(self, app: str, settings: ApnsAppSettings) -> None:
        place = f"apps.{app}.apns"
        if settings.certificate_file is not None:
            with self._noting_faults(f"{place}.certificate_file"):
                self.credentials[app] = ApnsCredential(certificate=self._load_certificate(place, settings))
        elif settings.key_file is not None and settings.team_id is not None and settings.key_id is not None:
            with self._noting_faults(f"{place}.key_file"):
                key = load_signing_key(settings.key_id, Path(settings.key_file))
                self.credentials[app] = ApnsCredential(token=self._share_token(place, settings.team_id, key))

    def _share_token(self, place: str, team_id: str, key: SigningKey) -> ProviderTokenSource:
        fresh = (key, ProviderTokenSource(team_id, key), place)
        known, source, first_place = self._keys.setdefault((team_id, key.key_id), fresh)
        if known.public_bytes != key.public_bytes:
            self.faults.append(
                Fault(f"{place}.key_file", f"another key than {first_place}.key_file under the same key_id")
            )
        return source

    def _load_certificate(self, place: str, settings: ApnsAppSettings) -> ClientCertificate:
        key_file = Path(settings.certificate_key_file) if settings.certificate_key_file else None
        certificate = load_client_certificate(Path(settings.certificate_file or ""), key_file, self._now)
        if settings.topic and certificate.topics and settings.topic not in certificate.topics:
            known = ", ".join(sorted(certificate.topics))
            self.faults.append(
                Fault(f"{place}.topic", f"not covered by {settings.certificate_file}, which has {known}")
            )
        return certificate

    @contextmanager
    def _noting_faults(self, place: str) -> Iterator[None]:
        try:
            yield
        except InvalidCredentialFileError as error:
            self.faults.append(Fault(place, str(error)))
