"""Answers as APNs gives them: a status, and for errors a JSON body with the reason (docs/apns.md#answers)."""

import msgspec

from bench.simulators.server import Answer, Fields

# Statuses of the reasons that the simulator itself decides on: docs/apns.md#answers.
STATUS_BY_REASON = {
    "BadCollapseId": 400,
    "BadDeviceToken": 400,
    "BadExpirationDate": 400,
    "BadMessageId": 400,
    "BadPriority": 400,
    "BadTopic": 400,
    "DuplicateHeaders": 400,
    "InvalidPushType": 400,
    "MissingDeviceToken": 400,
    "MissingTopic": 400,
    "PayloadEmpty": 400,
    "TopicDisallowed": 400,
    "BadChannelId": 400,
    "BadRequestParams": 400,
    "BadRequestPayload": 400,
    "ChannelNotRegistered": 400,
    "FeatureNotEnabled": 400,
    "MissingChannelId": 400,
    "MissingPushType": 400,
    "BadEnvironmentKeyIdInToken": 403,
    "ExpiredProviderToken": 403,
    "Forbidden": 403,
    "InvalidProviderToken": 403,
    "MissingProviderToken": 403,
    "TopicMismatch": 403,
    "UnrelatedKeyIdInToken": 403,
    "BadPath": 404,
    "MethodNotAllowed": 405,
    "PayloadTooLarge": 413,
    "TooManyProviderTokenUpdates": 429,
}


_JSON = ((b"content-type", b"application/json"),)


def make_refusal(status: int, reason: str | None, unique_headers: Fields, *, timestamp_ms: int | None = None) -> Answer:
    """Return an error as APNs gives it; ``timestamp_ms``, UNIX milliseconds, comes with 410 alone."""
    if reason is None:
        return Answer(status=status, unique_headers=unique_headers)
    named = {"reason": reason} if timestamp_ms is None else {"reason": reason, "timestamp": timestamp_ms}
    return Answer(
        status=status,
        reason=reason,
        headers=_JSON,
        unique_headers=unique_headers,
        body=msgspec.json.encode(named),
        rejects_token=reason == "BadDeviceToken",
    )
