"""A throwaway certificate authority: its own certificate to trust, the server's, and a client's when one is asked for.

Everything is made anew at each start and is worth nothing anywhere else.
"""

import ssl
from collections.abc import Sequence
from pathlib import Path

import msgspec
import trustme

_LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")


class ClientCertificate(msgspec.Struct, frozen=True):
    """Where a client of the simulator finds its certificate."""

    certificate_file: Path
    key_file: Path


class Authority:
    """A certificate authority with its files in ``directory``, which is created when missing; OSError passes."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.ca_file = directory / "ca.pem"
        self._authority = trustme.CA(organization_name="Pushmill simulator")
        self._authority.cert_pem.write_to_path(str(self.ca_file))

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

    def write_client_certificate(self, common_name: str) -> ClientCertificate:
        """Issue a client certificate and write ``client.pem`` and ``client_key.pem``."""
        certificate = self._authority.issue_cert(common_name=common_name)
        made = ClientCertificate(self.directory / "client.pem", self.directory / "client_key.pem")
        made.certificate_file.write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
        write_private(made.key_file, certificate.private_key_pem.bytes())
        return made


def write_private(file: Path, content: bytes) -> None:
    """Write a file that its owner alone may read, in place of whatever was there."""
    file.unlink(missing_ok=True)
    file.touch(mode=0o600)
    file.write_bytes(content)
