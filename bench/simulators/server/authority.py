"""A throwaway certificate authority: its own certificate to trust, the server's, and a client's when one is asked for.

Everything is made anew at each start and is worth nothing anywhere else.
"""

import ssl
from collections.abc import Sequence
from pathlib import Path

import msgspec
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")


class ClientCertificate(msgspec.Struct, frozen=True):
    """Where a client of the simulator finds its certificate."""

    certificate_file: Path
    key_file: Path


class Authority:
    """A certificate authority with its files in ``directory``.

    Nothing is on the disk before `write_files`, which is for when the ports are had: a simulator that cannot start
    leaves the files of one that runs as they are.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._files: dict[Path, tuple[bytes, bool]] = {}
        self._authority = trustme.CA(organization_name="Pushmill simulator")
        self.ca_file = self.add_file("ca.pem", self._authority.cert_pem.bytes(), is_private=False)

    def add_file(self, name: str, content: bytes, *, is_private: bool = True) -> Path:
        """Return where a file is going to be; one that is private may be read by its owner alone."""
        file = self.directory / name
        self._files[file] = content, is_private
        return file

    def write_files(self) -> None:
        """Write everything, in place of whatever was there, into the folder, made when missing; OSError passes."""
        self.directory.mkdir(parents=True, exist_ok=True)
        for file, (content, is_private) in self._files.items():
            file.unlink(missing_ok=True)
            file.touch(mode=0o600 if is_private else 0o644)
            file.write_bytes(content)

    def make_server_context(
        self, *, host: str, alpn: Sequence[str], asks_for_certificate: bool = False
    ) -> ssl.SSLContext:
        """Return the TLS side of a server: 1.2 or later, these ALPN protocols, valid for the loopback and ``host``."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(list(alpn))
        # Tickets would be written before the client reads anything, and a client that closes first would see a reset.
        context.num_tickets = 0
        self._authority.issue_cert(*dict.fromkeys((host, *_LOCAL_NAMES))).configure_cert(context)
        if asks_for_certificate:
            self._authority.configure_trust(context)
            context.verify_mode = ssl.CERT_OPTIONAL
        return context

    def make_client_certificate(self, common_name: str) -> ClientCertificate:
        """Issue a client certificate, to be in ``client.pem`` and ``client_key.pem``.

        It has no subject alternative name, as Apple's have none. `trustme` would add an empty one, which some clients
        refuse to load (RFC 5280 section 4.2.1.6 wants at least one entry).
        """
        key = ec.generate_private_key(ec.SECP256R1())
        issuer = x509.load_pem_x509_certificate(self._authority.cert_pem.bytes())
        issuer_key = serialization.load_pem_private_key(self._authority.private_key_pem.bytes(), None)
        if not isinstance(issuer_key, ec.EllipticCurvePrivateKey):
            raise TypeError(f"the authority signs with an elliptic curve; got {type(issuer_key).__name__}")
        names = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
        certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name(names))
            .issuer_name(issuer.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(issuer.not_valid_before_utc)
            .not_valid_after(issuer.not_valid_after_utc)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=True)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
            .sign(issuer_key, hashes.SHA256())
        )
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        public = certificate.public_bytes(serialization.Encoding.PEM)
        return ClientCertificate(
            self.add_file("client.pem", public, is_private=False), self.add_file("client_key.pem", pem)
        )
