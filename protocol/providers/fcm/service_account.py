"""The service-account file that Firebase's console gives, and what of it is believed (docs/fcm.md#access-tokens)."""

import msgspec

from protocol.providers.fcm.facts import PROJECT_ID
from protocol.refusals import DECODING_ERRORS

# The one place where assertions are exchanged. A file that names another is not followed: it would send a signed
# assertion, and our requests, wherever its author likes.
TOKEN_URI = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address
_OLD_TOKEN_URIS = frozenset(
    {"https://accounts.google.com/o/oauth2/token", "https://www.googleapis.com/oauth2/v4/token"}
)


class ServiceAccountError(ValueError):
    """The file can't be used; the message names the field and what to do, and never a value."""


class ServiceAccount(msgspec.Struct, frozen=True, kw_only=True, repr_omit_defaults=True):
    """What FCM's OAuth exchange needs. ``private_key`` is PEM and stays out of every repr."""

    project_id: str
    private_key_id: str
    private_key: str
    client_email: str

    def __repr__(self) -> str:
        return f"<ServiceAccount of the project {self.project_id}>"


class _File(msgspec.Struct, kw_only=True):
    type: str
    project_id: str
    private_key_id: str
    private_key: str
    client_email: str
    token_uri: str = TOKEN_URI


class _Kind(msgspec.Struct):
    """What other files of Google's have at the top."""

    project_info: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    installed: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    web: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_kind_decoder = msgspec.json.Decoder(_Kind)
_decoder = msgspec.json.Decoder(_File)


def parse_service_account(data: bytes) -> ServiceAccount:
    """Return the account of a service-account file. Raises ServiceAccountError."""
    _check_kind(data)
    try:
        file = _decoder.decode(data)
    except msgspec.ValidationError as error:
        raise ServiceAccountError(f"the service-account file is incomplete: {str(error).replace('`', '')}") from None
    except DECODING_ERRORS:
        raise ServiceAccountError(
            "the service-account file is not JSON: download it again from the project's console"
        ) from None
    _check(file)
    return ServiceAccount(
        project_id=file.project_id,
        private_key_id=file.private_key_id,
        private_key=file.private_key,
        client_email=file.client_email,
    )


def _check_kind(data: bytes) -> None:
    """Raise ServiceAccountError for another file that Google's consoles give out."""
    try:
        kind = _kind_decoder.decode(data)
    except DECODING_ERRORS:
        return
    if kind.project_info is not msgspec.UNSET:
        raise ServiceAccountError(
            "this is google-services.json, which the Android app needs: generate a private key under project settings, "
            "service accounts"
        )
    if kind.installed is not msgspec.UNSET or kind.web is not msgspec.UNSET:
        raise ServiceAccountError("this is an OAuth client, not a service account")


def _check(file: _File) -> None:
    if file.type != "service_account":
        raise ServiceAccountError("type is not service_account: this is another kind of credential file")
    if not PROJECT_ID.fullmatch(file.project_id):
        raise ServiceAccountError("project_id has other characters than lower-case letters, digits and hyphens")
    if "-----BEGIN PRIVATE KEY-----" not in file.private_key:
        raise ServiceAccountError("private_key is not a PEM private key (PKCS#8): download the file again")
    if not file.private_key_id or "@" not in file.client_email:
        raise ServiceAccountError("private_key_id and client_email must name the key and the account")
    if file.token_uri != TOKEN_URI and file.token_uri not in _OLD_TOKEN_URIS:
        raise ServiceAccountError(f"token_uri is not Google's: tokens are fetched from {TOKEN_URI} alone")
