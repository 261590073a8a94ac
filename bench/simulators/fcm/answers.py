"""Answers as FCM and Google's OAuth give them: status, fields and body together.

See docs/fcm.md#answers and docs/fcm.md#access-tokens.

Google's error bodies have a status of `google.rpc.Code`, a text for humans, and details told apart by ``@type``. The
text is Google's where it alone tells what is wrong, and otherwise worded freely.

The reason, for ledger, statistics and scenario, is FCM's error code; where there is none, the word of the status.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import orjson

from bench.simulators.fcm.assertions import OAuthFault
from bench.simulators.fcm.proto_json import Violation
from bench.simulators.fcm.scenario import BARE_STATUSES, ExchangeEvent, FcmAnswerEvent
from bench.simulators.server import Answer
from bench.simulators.server.answers import Fields

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


_JSON: Fields = ((b"content-type", b"application/json; charset=UTF-8"),)
_TOKEN_JSON: Fields = (*_JSON, (b"cache-control", b"no-store"))
_HTML: Fields = ((b"content-type", b"text/html; charset=UTF-8"),)

_STATUS_WORDS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}


def accepted(name: str) -> Answer:
    """Return the success that names the message."""
    return Answer(status=200, headers=_JSON, body=orjson.dumps({"name": name}, option=orjson.OPT_INDENT_2))


def refusal(
    status: int,
    *details: Detail,
    code: str | None = None,
    text: str | None = None,
    retry_after_seconds: int | None = None,
) -> Answer:
    """Return a refusal; with ``code`` an FcmError leads the details, ``text`` stands in for the status's usual one."""
    word = _STATUS_WORDS.get(status, "UNKNOWN")
    all_details = (fcm_error(code), *details) if code is not None else details
    wait: Fields = () if retry_after_seconds is None else ((b"retry-after", b"%d" % retry_after_seconds),)
    return Answer(
        status=status, reason=code or word, headers=(*_JSON, *wait), body=error_body(status, word, all_details, text)
    )


def unreadable(violations: list[Violation]) -> Answer:
    """Return the refusal of a body that is no message: by the front end, which knows nothing of FCM's codes."""
    return refusal(400, bad_request(violations))


def misused(violation: Violation) -> Answer:
    """Return the refusal of a message that breaks one of FCM's rules."""
    return refusal(400, bad_request([violation]), code="INVALID_ARGUMENT")


def malformed_token() -> Answer:
    """Return the refusal of a registration token that can't be one: by its text alone (docs/fcm.md#answers)."""
    return refusal(400, code="INVALID_ARGUMENT", text="The registration token is not a valid FCM registration token")


def foreign_project(project: str) -> Answer:
    """Return the refusal of a project that the account has no part in; Google doesn't tell whether it exists."""
    resource = f"//cloudresourcemanager.googleapis.com/projects/{project}"
    permission = "cloudmessaging.messages.create"
    return refusal(
        403,
        error_info(
            "IAM_PERMISSION_DENIED",
            "cloudresourcemanager.googleapis.com",
            {"resource": f"projects/{project}", "permission": permission},
        ),
        text=f"Permission '{permission}' denied on resource '{resource}' (or it may not exist).",
    )


def scope_insufficient() -> Answer:
    """Return the refusal of an access token whose scopes don't cover messaging."""
    info = error_info(
        "ACCESS_TOKEN_SCOPE_INSUFFICIENT",
        "googleapis.com",
        {
            "service": "fcm.googleapis.com",
            "method": "google.firebase.fcm.v1.FcmService.SendMessage",
        },
    )
    return refusal(403, info, text="Request had insufficient authentication scopes.")


def too_large() -> Answer:
    """Return the refusal of a message above its limit: by its text alone, like that of a token."""
    return refusal(400, text="Android message is too big")


def quota_exceeded(quota: str, quota_of: str, *, retry_after_seconds: int | None) -> Answer:
    """Return 429 for the quota of a ``project``, or of a ``topic``."""
    return refusal(
        429,
        _quota_detail(quota, quota_of),
        code="QUOTA_EXCEEDED",
        retry_after_seconds=retry_after_seconds,
    )


def front_end_page(status: int) -> Answer:
    """Return the page of a front end that reaches no service."""
    return Answer(status=status, reason="HTML", headers=_HTML, body=error_page(status))


def planned(event: FcmAnswerEvent, project: str, destination: str) -> Answer:
    """Return what a scenario asks for; a quota names the project, or the destination."""
    if event.html:
        return front_end_page(event.status)
    if event.reason is None:
        return Answer(status=event.status)
    details = _planned_details(event, project if event.quota == "project" else destination)
    if event.reverses_details:
        details.reverse()
    body = error_body(event.status, _STATUS_WORDS.get(event.status, "UNKNOWN"), details, event.text)
    return Answer(status=event.status, reason=event.reason, headers=_JSON, body=body)


def token_issued(body: bytes) -> Answer:
    """Return the success of an exchange."""
    return Answer(status=200, headers=_TOKEN_JSON, body=body)


def token_refused(fault: OAuthFault) -> Answer:
    """Return the refusal of an exchange."""
    body = orjson.dumps({"error": fault.error, "error_description": fault.description})
    return Answer(status=fault.status, reason=fault.error, headers=_TOKEN_JSON, body=body)


def planned_exchange(event: ExchangeEvent) -> Answer:
    """Return what a scenario asks for in place of a token."""
    if event.html:
        answer = front_end_page(event.status)
    elif event.error is None:
        answer = Answer(status=event.status)
    else:
        answer = token_refused(OAuthFault(event.status, event.error, "As the scenario has it"))
    if event.retry_after is None:
        return answer
    return msgspec.structs.replace(answer, headers=(*answer.headers, (b"retry-after", event.retry_after.encode())))


def _planned_details(event: FcmAnswerEvent, quota_of: str) -> list[Detail]:
    details: list[Detail] = []
    if event.reason is not None and event.reason not in BARE_STATUSES and not event.without_fcm_error:
        details.append(fcm_error(event.reason))
    if event.fields:
        details.append(bad_request(Violation(field, "Invalid value") for field in event.fields))
    if event.apns_status is not None:
        details.append(apns_error(event.apns_status, event.apns_reason))
    if event.quota is not None:
        details.append(_quota_detail(event.quota, quota_of))
    if event.retry_delay_seconds is not None:
        details.append(retry_info(event.retry_delay_seconds))
    return details


def _quota_detail(quota: str, quota_of: str) -> Detail:
    return quota_failure(f"{quota}:{quota_of}", f"The quota of messages for the {quota} is used up")
