"""Throwaway credentials: the provider keys, and a client certificate when one is asked for.

They are made anew at each start and are worth nothing anywhere else.
"""

from pathlib import Path

import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from bench.simulators.apns.options import ApnsSimulatorOptions, ProviderKeyOptions
from bench.simulators.server import Authority, ClientCertificate


class ProviderKey(msgspec.Struct, frozen=True):
    """A provider signing key as APNs knows it, with the file that holds its private half."""

    options: ProviderKeyOptions
    public_key: ec.EllipticCurvePublicKey
    file: Path


class Credentials(msgspec.Struct, frozen=True):
    """What was made, and where a client of the simulator finds its part."""

    keys: tuple[ProviderKey, ...]
    client_certificate: ClientCertificate | None

    @property
    def key_file(self) -> Path:
        """The private key of the first provider key."""
        return self.keys[0].file


def make_credentials(options: ApnsSimulatorOptions, authority: Authority) -> Credentials:
    """Make everything; the client's part is going to be in the authority's folder."""
    topics = options.client_certificate_topics
    service = "VoIP Services" if topics and topics[0].endswith(".voip") else "Apple Push Services"
    return Credentials(
        keys=tuple(_make_provider_key(key, authority) for key in options.keys),
        client_certificate=(
            authority.make_client_certificate(f"{service}: {topics[0].removesuffix('.voip')}") if topics else None
        ),
    )


def _make_provider_key(options: ProviderKeyOptions, authority: Authority) -> ProviderKey:
    private_key = ec.generate_private_key(ec.SECP256R1())
    pem = private_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = authority.add_file(f"AuthKey_{options.key_id}.p8", pem)
    return ProviderKey(options, private_key.public_key(), file)
