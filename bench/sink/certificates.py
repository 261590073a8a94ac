"""A throwaway certificate authority and the sink's certificate."""

from pathlib import Path
from typing import NamedTuple

import trustme


class Certificates(NamedTuple):
    """PEM files: what clients trust, and what the sink shows and signs with."""

    ca_file: Path
    certificate_file: Path
    key_file: Path


def write_certificates(directory: Path) -> Certificates:
    """Make fresh ones for ``localhost`` in a directory that the caller owns."""
    files = Certificates(directory / "ca.pem", directory / "certificate.pem", directory / "key.pem")
    authority = trustme.CA()
    issued = authority.issue_cert("localhost")
    authority.cert_pem.write_to_path(files.ca_file)
    files.certificate_file.write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(files.key_file)
    return files
