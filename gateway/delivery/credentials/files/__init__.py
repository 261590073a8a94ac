r"""Credential files as people really have them: read, or told for what they are.

What can be read without a guess is: a byte order mark, UTF-16, CRLF, quotes around, line breaks written as ``\n``, a
PEM text without its header lines or on one line, DER. What can't is named with the cure, and never shown.
"""

from gateway.delivery.credentials.files.json_texts import find_json
from gateway.delivery.credentials.files.private_keys import load_p256_key, load_private_key, read_rsa_key
from gateway.delivery.credentials.files.texts import CredentialTextError, check_plain_pem, read_text
from gateway.delivery.credentials.files.vapid_pairs import read_vapid_pair

__all__ = [
    "CredentialTextError",
    "check_plain_pem",
    "find_json",
    "load_p256_key",
    "load_private_key",
    "read_rsa_key",
    "read_text",
    "read_vapid_pair",
]
