"""Throwaway credentials: a CA and server certificate, the provider keys, a client certificate when one is asked for.

They are made anew at each start and are worth nothing anywhere else.
"""

import ssl
from pathlib import Path

import msgspec
import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from bench.simulators.apns.options import ApnsSimulatorOptions, ProviderKeyOptions


class ProviderKey(msgspec.Struct, frozen=True):
    """A provider signing key as APNs knows it, with the file that holds its private half."""

    options: ProviderKeyOptions
    public_key: ec.EllipticCurvePublicKey
    file: Path


class Credentials(msgspec.Struct, frozen=True):
    """What was made, and where a client of the simulator finds its part."""

    authority: trustme.CA
    ca_file: Path
    keys: tuple[ProviderKey, ...]
    client_certificate_file: Path | None
    client_key_file: Path | None

    @property
    def key_file(self) -> Path:
        """The private key of the first provider key."""
        return self.keys[0].file


def make_credentials(options: ApnsSimulatorOptions, directory: Path) -> Credentials:
    """Make everything and write the client's part into ``directory``, which is created when missing; OSError passes."""
    directory.mkdir(parents=True, exist_ok=True)
    authority = trustme.CA(organization_name="Pushmill APNs simulator")
    ca_file = directory / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    certificate_file, key_file = _write_client_certificate(authority, options, directory)
    return Credentials(
        authority=authority,
        ca_file=ca_file,
        keys=tuple(_make_provider_key(key, directory) for key in options.keys),
        client_certificate_file=certificate_file,
        client_key_file=key_file,
    )


def make_server_context(credentials: Credentials, *, host: str, asks_for_certificate: bool) -> ssl.SSLContext:
    """Return the TLS side of the server: 1.2 or later, ALPN h2 alone."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["h2"])
    # Tickets would be written before the client reads anything, and a client that closes first would see a reset.
    context.num_tickets = 0
    names = dict.fromkeys((host, "127.0.0.1", "::1", "localhost"))
    credentials.authority.issue_cert(*names).configure_cert(context)
    if asks_for_certificate:
        credentials.authority.configure_trust(context)
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


def _make_provider_key(options: ProviderKeyOptions, directory: Path) -> ProviderKey:
    private_key = ec.generate_private_key(ec.SECP256R1())
    file = directory / f"AuthKey_{options.key_id}.p8"
    pem = private_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    _write_private(file, pem)
    return ProviderKey(options, private_key.public_key(), file)


def _write_client_certificate(
    authority: trustme.CA, options: ApnsSimulatorOptions, directory: Path
) -> tuple[Path | None, Path | None]:
    if not options.client_certificate_topics:
        return None, None
    certificate = authority.issue_cert(common_name=f"Apple Push Services: {options.client_certificate_topics[0]}")
    certificate_file, key_file = directory / "client.pem", directory / "client_key.pem"
    certificate_file.write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
    _write_private(key_file, certificate.private_key_pem.bytes())
    return certificate_file, key_file


def _write_private(file: Path, pem: bytes) -> None:
    file.unlink(missing_ok=True)
    file.touch(mode=0o600)
    file.write_bytes(pem)
