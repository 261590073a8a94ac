"""Whom we believe that a server is who it says: the system's certificate authorities, or those of a file."""

import ssl
from pathlib import Path

from gateway.delivery.credentials.errors import InvalidCredentialFileError, describe_file_error


def load_authorities(ca_file: Path | None) -> ssl.SSLContext:
    """Return a context with the system's authorities, or those of a file. Raises InvalidCredentialFileError."""
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except OSError as error:  # ssl.SSLError is one
        raise InvalidCredentialFileError(ca_file or Path(), describe_file_error(error)) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
