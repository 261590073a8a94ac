"""Who we are at the providers: loaded from files, renewed by their rules, never shown."""

from gateway.delivery.credentials.apns_credential import ApnsCredential
from gateway.delivery.credentials.client_certificate import ClientCertificate, load_client_certificate
from gateway.delivery.credentials.errors import CredentialError, InvalidCredentialFileError
from gateway.delivery.credentials.expiry import find_expiring
from gateway.delivery.credentials.loading import load_credentials
from gateway.delivery.credentials.provider_token import ProviderTokenSource
from gateway.delivery.credentials.signing_key import SigningKey, load_signing_key
from gateway.delivery.credentials.vapid_key import create_vapid_key_file

__all__ = [
    "ApnsCredential",
    "ClientCertificate",
    "CredentialError",
    "InvalidCredentialFileError",
    "ProviderTokenSource",
    "SigningKey",
    "create_vapid_key_file",
    "find_expiring",
    "load_client_certificate",
    "load_credentials",
    "load_signing_key",
]
