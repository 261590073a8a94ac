"""Google's error bodies: a status of `google.rpc.Code`, a text for humans, and details told apart by ``@type``.

docs/fcm.md#answers has the types. The text is Google's where it alone tells what is wrong, and otherwise worded freely.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from bench.simulators.fcm.proto_json import Violation

Detail = dict[str, Any]

STATUS_TEXTS = {
    "INVALID_ARGUMENT": "Request contains an invalid argument.",
    "UNAUTHENTICATED": "Request had invalid authentication credentials.",
    "PERMISSION_DENIED": "The caller does not have permission.",
    "NOT_FOUND": "Requested entity was not found.",
    "RESOURCE_EXHAUSTED": "Quota exceeded.",
    "INTERNAL": "Internal error encountered.",
    "UNAVAILABLE": "The service is currently unavailable.",
}


def error_body(http_status: int, status: str, details: Sequence[Detail] = (), text: str | None = None) -> bytes:
    """Return the body of an error; without details it has no such key at all."""
    error: dict[str, Any] = {
        "code": http_status,
        "message": text if text is not None else STATUS_TEXTS.get(status, "Error."),
        "status": status,
    }
    if details:
        error["details"] = list(details)
    return orjson.dumps({"error": error}, option=orjson.OPT_INDENT_2)


def fcm_error(error_code: str) -> Detail:
    """Return the detail that names FCM's own error."""
    return {"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": error_code}


def apns_error(status_code: int, reason: str | None) -> Detail:
    """Return the detail that carries what APNs answered to FCM."""
    detail: Detail = {
        "@type": "type.googleapis.com/google.firebase.fcm.v1.ApnsError",
        "statusCode": status_code,
    }
    return detail if reason is None else detail | {"reason": reason}


def bad_request(violations: Iterable[Violation]) -> Detail:
    """Return the detail that names the fields at fault; a fault of the whole body has no field."""
    return {
        "@type": "type.googleapis.com/google.rpc.BadRequest",
        "fieldViolations": [
            {"field": field, "description": description} if field else {"description": description}
            for field, description in violations
        ],
    }


def error_info(reason: str, domain: str, metadata: dict[str, str]) -> Detail:
    """Return the detail by which Google's common front ends say why."""
    return {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": reason,
        "domain": domain,
        "metadata": metadata,
    }


def quota_failure(subject: str, description: str) -> Detail:
    """Return the detail that tells which quota was passed."""
    return {
        "@type": "type.googleapis.com/google.rpc.QuotaFailure",
        "violations": [{"subject": subject, "description": description}],
    }


def retry_info(seconds: float) -> Detail:
    """Return the detail that asks to wait."""
    return {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{seconds:.9g}s"}


def error_page(http_status: int) -> bytes:
    """Return the HTML that a front end answers with when no service stands behind it."""
    return (
        f"<!DOCTYPE html>\n<html lang=en>\n<title>Error {http_status}</title>\n"
        f"<p><b>{http_status}.</b> <ins>That is an error.</ins>\n</html>\n"
    ).encode()
