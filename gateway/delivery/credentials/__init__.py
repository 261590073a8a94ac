"""Who we are at the providers: loaded from files, renewed by their rules, never shown."""

from gateway.delivery.credentials.apns_credential import ApnsCredential
from gateway.delivery.credentials.client_certificate import ClientCertificate, load_client_certificate
from gateway.delivery.credentials.errors import CredentialError, InvalidCredentialFileError
from gateway.delivery.credentials.loading import load_credentials
from gateway.delivery.credentials.provider_token import ProviderTokenSource
from gateway.delivery.credentials.signing_key import SigningKey, load_signing_key

__all__ = [
    "ApnsCredential",
    "ClientCertificate",
    "CredentialError",
    "InvalidCredentialFileError",
    "ProviderTokenSource",
    "SigningKey",
    "load_client_certificate",
    "load_credentials",
    "load_signing_key",
]
