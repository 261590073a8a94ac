"""FCM: what may be sent, how a request is built, what every answer means, and how an access token is come by."""

from protocol.providers.fcm.access_tokens import (
    FORM_HEADERS,
    AccessToken,
    ExchangeFailure,
    assertion_claims,
    assertion_header,
    exchange_form,
    read_exchange,
)
from protocol.providers.fcm.facts import FcmFacts
from protocol.providers.fcm.request_building import ask_to_validate_only, build_requests
from protocol.providers.fcm.responses import classify, read_name
from protocol.providers.fcm.service_account import (
    TOKEN_URI,
    ServiceAccount,
    ServiceAccountError,
    parse_service_account,
)

__all__ = [
    "FORM_HEADERS",
    "TOKEN_URI",
    "AccessToken",
    "ExchangeFailure",
    "FcmFacts",
    "ServiceAccount",
    "ServiceAccountError",
    "ask_to_validate_only",
    "assertion_claims",
    "assertion_header",
    "build_requests",
    "classify",
    "exchange_form",
    "parse_service_account",
    "read_exchange",
    "read_name",
]
