"""An APNs client certificate: the chain and key that TLS will present, what it covers and how long."""

from datetime import UTC, datetime
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.delivery.credentials.certificate_topics import find_topics
from gateway.delivery.credentials.errors import InvalidCredentialFileError, read_credential_file
from gateway.delivery.credentials.files import check_plain_pem, load_private_key


class ClientCertificate(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate that was found usable. ``topics`` is empty when it names none (it then covers its own app)."""

    certificate_file: Path
    key_file: Path
    topics: frozenset[str]
    expires_at: datetime

    @property
    def chain(self) -> tuple[Path, Path]:
        """What ``ssl.SSLContext.load_cert_chain`` wants: the certificate's file and the key's."""
        return self.certificate_file, self.key_file


def load_client_certificate(certificate_file: Path, key_file: Path | None, now: datetime) -> ClientCertificate:
    """Return the certificate with its key, which is in the same file when ``key_file`` is None.

    Raises InvalidCredentialFileError when either can't be read, they don't belong together, or it is out of date.
    """
    key_file = key_file or certificate_file
    certificate = _load_certificate(certificate_file)
    if _load_public_key(key_file) != _public_bytes(certificate):
        raise InvalidCredentialFileError(key_file, f"not the key of the certificate in {certificate_file}")
    if certificate.not_valid_after_utc <= now:
        raise InvalidCredentialFileError(
            certificate_file, f"expired at {certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC"
        )
    if certificate.not_valid_before_utc > now:
        raise InvalidCredentialFileError(
            certificate_file, f"not valid before {certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC"
        )
    return ClientCertificate(
        certificate_file=certificate_file,
        key_file=key_file,
        topics=find_topics(certificate),
        expires_at=certificate.not_valid_after_utc.astimezone(UTC),
    )


def _load_certificate(path: Path) -> x509.Certificate:
    """Return the first certificate of a file: the one TLS presents; issuers may follow it."""
    contents = read_credential_file(path)
    check_plain_pem(path, contents)
    try:
        return x509.load_pem_x509_certificates(contents)[0]
    except ValueError:
        raise InvalidCredentialFileError(path, "holds no certificate in PEM form") from None


def _load_public_key(path: Path) -> bytes:
    """Return the public half of a private key file."""
    return load_private_key(path).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _public_bytes(certificate: x509.Certificate) -> bytes:
    return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
