"""PEM as people hand it on (RFC 7468): found in whatever text is around it, its lines put right, or named.

Nothing is guessed at: a text without header lines is taken for the base64 of DER, which holds for a key or for nothing.
"""

import re
from binascii import a2b_base64
from textwrap import wrap

from gateway.delivery.credentials.files.texts import CredentialTextError, restore_breaks

_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----(.*?)-----END \1-----", re.DOTALL)
_BEGIN = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----")
_HEADER_LINE = re.compile(r"^[A-Za-z0-9-]+:.*$", re.MULTILINE)
_BASE64 = re.compile(r"[A-Za-z0-9+/\s]+={0,2}\s*")
_PRIVATE = ("PRIVATE KEY", "EC PRIVATE KEY", "RSA PRIVATE KEY")
_LEAST_DER_BYTES = 48  # the shortest P-256 key (SEC 1 without its public half) has 51

_ENCRYPTED = "the private key is encrypted; store it without a passphrase"
_OTHER_KINDS = {
    "ENCRYPTED PRIVATE KEY": _ENCRYPTED,
    "PUBLIC KEY": "holds a public key; the private one is needed",
    "EC PUBLIC KEY": "holds a public key; the private one is needed",
    "RSA PUBLIC KEY": "holds a public key; the private one is needed",
    "CERTIFICATE": "holds a certificate and no private key",
    "CERTIFICATE REQUEST": "holds a request for a certificate, not a private key",
    "OPENSSH PRIVATE KEY": "holds an OpenSSH key, which no push provider takes",
}


def find_private_pem(text: str) -> bytes:
    """Return the private key of a text as PEM in its plain form, or as DER where the text has no header lines.

    Raises CredentialTextError.
    """
    text = restore_breaks(text)
    blocks = dict(reversed(_BLOCK.findall(text)))  # of two alike the first
    for label in _PRIVATE:
        if label in blocks:
            return _rewrite(label, blocks[label])
    for label in blocks:
        if label in _OTHER_KINDS:
            raise CredentialTextError(_OTHER_KINDS[label])
    if begun := _BEGIN.search(text):
        raise CredentialTextError(f"has a BEGIN line of a {begun[1]} and no END line: a part of it is missing")
    if der := find_der(text):
        return der
    if text.startswith("{"):
        raise CredentialTextError("holds JSON, not a private key in PEM form")
    raise CredentialTextError("holds no private key in PEM form")


def _rewrite(label: str, body: str) -> bytes:
    if "ENCRYPTED" in body:  # Proc-Type of RFC 1421, in a body of the traditional form
        raise CredentialTextError(_ENCRYPTED)
    bare = "".join(_HEADER_LINE.sub("", body).split())
    return "\n".join([f"-----BEGIN {label}-----", *wrap(bare, 64), f"-----END {label}-----", ""]).encode()


def find_der(text: str) -> bytes | None:
    """Return what a text is the base64 of, where that is DER; None where it isn't."""
    if not _BASE64.fullmatch(text):
        return None
    try:
        der = a2b_base64("".join(text.split()), strict_mode=True)
    except ValueError:
        return None
    return der if len(der) >= _LEAST_DER_BYTES and der[0] == 0x30 else None
