"""Who we are at the providers: loaded from files, renewed by their rules, never shown.

What only some apps have, client certificates and the exchange for access tokens, is not imported here but where such an
app is loaded: it brings libraries of its own.
"""

from gateway.delivery.credentials.access_token_source import AccessTokenSource, Unavailable
from gateway.delivery.credentials.apns_credential import ApnsCredential
from gateway.delivery.credentials.authorities import load_authorities
from gateway.delivery.credentials.errors import (
    LARGEST_FILE_BYTES,
    CredentialError,
    InvalidCredentialFileError,
    describe_file_error,
)
from gateway.delivery.credentials.expiry import find_expiring
from gateway.delivery.credentials.fcm_credential import FcmCredential
from gateway.delivery.credentials.loading import Credentials, load_credentials, read_credentials
from gateway.delivery.credentials.provider_token import ProviderTokenSource
from gateway.delivery.credentials.service_account_key import ServiceAccountKey, load_service_account_key
from gateway.delivery.credentials.signing_key import SigningKey, load_signing_key
from gateway.delivery.credentials.vapid_key import VapidKey, create_vapid_key_file, load_vapid_key, read_vapid_key
from gateway.delivery.credentials.webpush_credential import WebPushCredential

__all__ = [
    "LARGEST_FILE_BYTES",
    "AccessTokenSource",
    "ApnsCredential",
    "CredentialError",
    "Credentials",
    "FcmCredential",
    "InvalidCredentialFileError",
    "ProviderTokenSource",
    "ServiceAccountKey",
    "SigningKey",
    "Unavailable",
    "VapidKey",
    "WebPushCredential",
    "create_vapid_key_file",
    "describe_file_error",
    "find_expiring",
    "load_authorities",
    "load_credentials",
    "load_service_account_key",
    "load_signing_key",
    "load_vapid_key",
    "read_credentials",
    "read_vapid_key",
]
