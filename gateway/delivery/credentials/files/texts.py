"""Credential files as text, whatever an editor or a shell made of their encoding and their line breaks."""

import codecs
import re
from pathlib import Path

from gateway.delivery.credentials.errors import InvalidCredentialFileError, read_credential_file

_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
# The data type of what PKCS#12 files wrap (RFC 7292 section 4: pkcs7-data, after version 3).
_PKCS12_START = re.compile(rb"\x30(?:\x80|\x82..|\x83...)\x02\x01\x03", re.DOTALL)
# A line break as JSON and shells write it, once or more often escaped.
_WRITTEN_BREAK = re.compile(r"(?:\\+r)?\\+n")
_WRITTEN_PEM = re.compile(rb"-----(?:\\+r)?\\+n")
_QUOTES = "\"'`"


class CredentialTextError(ValueError):
    """What is wrong with the contents of a credential, with what to do, and none of it shown."""


def read_text(path: Path) -> str:
    """Return a file as text. Raises InvalidCredentialFileError."""
    contents = read_credential_file(path)
    try:
        return decode_text(contents)
    except CredentialTextError as error:
        raise InvalidCredentialFileError(path, str(error)) from None


def decode_text(contents: bytes) -> str:
    """Return the text of UTF-8 or UTF-16, with or without a byte order mark. Raises CredentialTextError."""
    if not contents.strip():
        raise CredentialTextError("is empty")
    if _PKCS12_START.match(contents):
        raise CredentialTextError(
            "is a PKCS#12 file (.p12, .pfx), not PEM: `openssl pkcs12 -in FILE -out NEW.pem -nodes` converts it"
        )
    try:
        if contents.startswith(_UTF16):
            return contents.decode("utf-16").strip()
        if b"\0" in contents[1:2]:
            return contents.decode("utf-16-le").strip()
        if contents[:1] == b"\0":
            return contents.decode("utf-16-be").strip()
        return contents.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise CredentialTextError("is not text: neither UTF-8 nor UTF-16") from None


def is_der(contents: bytes) -> bool:
    """Whether contents are DER, the binary form of keys and certificates: one SEQUENCE (X.690 section 8.1), to its end.

    A PKCS#12 file, which is one too, is not meant.
    """
    if contents[:1] != b"\x30" or len(contents) < 2 or _PKCS12_START.match(contents):
        return False
    length, begins_at = contents[1], 2
    if length >= 0x80:
        begins_at += length & 0x7F
        length = int.from_bytes(contents[2:begins_at], "big")
    return begins_at + length == len(contents)


def restore_breaks(text: str) -> str:
    """Return a text without quotes around it, its line breaks real ones."""
    bare = text.strip()
    while len(bare) > 1 and bare[0] in _QUOTES and bare[-1] == bare[0]:
        bare = bare[1:-1].strip()
    return _WRITTEN_BREAK.sub("\n", bare).replace("\r\n", "\n").replace("\r", "\n")


def check_plain_pem(path: Path, contents: bytes) -> None:
    """Raise InvalidCredentialFileError for PEM that the TLS library, which opens the file itself, would not find."""
    fault = None
    if contents.startswith(codecs.BOM_UTF8):
        fault = (
            "begins with a byte order mark, which the TLS library can't read: save it as UTF-8 without BOM, or ASCII"
        )
    elif contents.startswith(_UTF16) or b"\0" in contents[:2]:
        fault = "is UTF-16, which the TLS library can't read: save it as UTF-8 without BOM, or ASCII"
    elif _PKCS12_START.match(contents):
        fault = "is a PKCS#12 file (.p12, .pfx), not PEM: `openssl pkcs12 -in FILE -out NEW.pem -nodes` converts it"
    elif is_der(contents):
        fault = (
            "is in DER form (as Apple's .cer), not PEM: `openssl x509 -inform der -in FILE -out NEW.pem` converts a "
            "certificate, `openssl pkey -inform der -in FILE -out NEW.pem` a key"
        )
    elif _WRITTEN_PEM.search(contents):
        fault = r"has \n in place of its line breaks, which the TLS library can't read: write real ones"
    if fault is not None:
        raise InvalidCredentialFileError(path, fault)
