"""Whom we believe that a server is who it says: the system's certificate authorities, or those of a file."""

import ssl
from pathlib import Path

from gateway.delivery.credentials.errors import (
    InvalidCredentialFileError,
    describe_file_error,
    read_credential_file,
)
from gateway.delivery.credentials.files import check_plain_pem


def load_authorities(ca_file: Path | None) -> ssl.SSLContext:
    """Return a context with the system's authorities, or those of a file. Raises InvalidCredentialFileError."""
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except OSError as error:  # ssl.SSLError is one
        if ca_file is not None and isinstance(error, ssl.SSLError):
            check_plain_pem(ca_file, read_credential_file(ca_file))  # what it isn't may be what it is
        raise InvalidCredentialFileError(ca_file or Path(), describe_file_error(error)) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
