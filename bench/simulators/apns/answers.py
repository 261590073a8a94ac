"""Answers as APNs gives them: a status, and for errors a JSON body with the reason (apns.md section 6)."""

import msgspec
from hpack import HeaderTuple, NeverIndexedHeaderTuple

# Statuses of the reasons that the simulator itself decides on: apns.md sections 6 and 7.
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


class Answer(msgspec.Struct, frozen=True):
    """What a request is answered with."""

    status: int
    reason: str | None = None
    timestamp_ms: int | None = None
    """UNIX milliseconds; APNs gives it with 410 alone."""
    raw_body: bytes | None = None
    """Stands in for the JSON body."""
    retry_after: str | None = None

    @property
    def body(self) -> bytes:
        """The response body; empty for a success and when no reason is given."""
        if self.raw_body is not None:
            return self.raw_body
        if self.reason is None:
            return b""
        if self.timestamp_ms is None:
            return msgspec.json.encode({"reason": self.reason})
        return msgspec.json.encode({"reason": self.reason, "timestamp": self.timestamp_ms})


ACCEPTED = Answer(200)


def refusal(reason: str) -> Answer:
    """Return the answer to a request that breaks a rule."""
    return Answer(STATUS_BY_REASON[reason], reason)


def response_headers(
    answer: Answer, *, id_header: bytes, request_id: bytes, unique_id: bytes | None
) -> list[HeaderTuple]:
    """Return the header fields; ids stay out of the compression table, where they would push out what repeats."""
    headers = [HeaderTuple(b":status", b"%d" % answer.status), NeverIndexedHeaderTuple(id_header, request_id)]
    if unique_id is not None:
        headers.append(NeverIndexedHeaderTuple(b"apns-unique-id", unique_id))
    if answer.retry_after is not None:
        headers.append(HeaderTuple(b"retry-after", answer.retry_after.encode("ascii")))
    if answer.reason is not None and answer.raw_body is None:
        headers.append(HeaderTuple(b"content-type", b"application/json"))
    return headers
