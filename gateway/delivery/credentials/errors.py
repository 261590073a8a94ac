"""What is wrong with a credential file, told by its path and never by its contents."""

import ssl
from collections.abc import Sequence
from pathlib import Path

from gateway.config import Fault
from gateway.errors import UnusableFileError

LARGEST_FILE_BYTES = 256 * 1024  # a long certificate chain has 20 kB; a device file must not be read for ever


class InvalidCredentialFileError(Exception):
    """A file can't be used; ``detail`` says why."""

    def __init__(self, path: Path, detail: str) -> None:
        super().__init__(f"{path}: {detail}")


class CredentialError(UnusableFileError):
    """Credentials can't be used; ``faults`` names app, setting and file of each."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = tuple(faults)


def describe_file_error(error: OSError | ValueError) -> str:
    """Return what the system, or the TLS library, says of a file, without what is in it."""
    if isinstance(error, ssl.SSLError):
        return f"can't be used: {error.reason or 'not in PEM form'}"
    return getattr(error, "strerror", None) or str(error)


def read_credential_file(path: Path) -> bytes:
    """Return the contents of a credential file. Raises InvalidCredentialFileError."""
    try:
        with path.open("rb") as file:
            contents = file.read(LARGEST_FILE_BYTES + 1)
    except OSError as error:
        raise InvalidCredentialFileError(path, describe_file_error(error)) from None
    if len(contents) > LARGEST_FILE_BYTES:
        raise InvalidCredentialFileError(path, f"has more than {LARGEST_FILE_BYTES} bytes, which no credential has")
    return contents
