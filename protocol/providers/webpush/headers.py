"""The Web Push headers of a notification as chunks store them (docs/web-push.md#options).

``ttl`` is not among them: what is left of the time is known when the request is made. ``authorization`` stands here
without its token, which lives for hours only: ``vapid k=<public key>`` tells which of the app's keys signs it.
"""

import hashlib
import re

from protocol.providers.webpush import base64url
from protocol.reasons import Reason
from protocol.rejections import RowError
from protocol.send.fields import WebPushOptions

AUTHORIZATION_PREFIX = b"vapid k="
TOPIC_HASH_BYTES = 16
DECLARATIVE_TYPE = b"application/notification+json"
OPAQUE_TYPE = b"application/octet-stream"

_TOPIC = re.compile(r"[A-Za-z0-9_-]{1,32}")


def make_headers(
    options: WebPushOptions,
    *,
    urgency: str | None,
    collapse: str | None,
    vapid_key: str,
    is_declarative: bool,
    decodes_topics: bool,
) -> tuple[tuple[bytes, bytes], ...]:
    """Return the stored header fields; without any wish the urgency is ``normal``. Raises RowError.

    ``decodes_topics``: the service takes a topic for base64url and not for text of that alphabet, see
    :data:`protocol.providers.webpush.services.DECODES_TOPICS`.
    """
    fields = [
        (b"authorization", AUTHORIZATION_PREFIX + vapid_key.encode()),
        (b"content-encoding", b"aes128gcm"),
        (b"content-type", DECLARATIVE_TYPE if is_declarative else OPAQUE_TYPE),
        (b"urgency", (options.urgency or urgency or "normal").encode()),
    ]
    if (topic := _choose_topic(options, collapse, decodes_topics=decodes_topics)) is not None:
        fields.append((b"topic", topic))
    return tuple(fields)


def _choose_topic(options: WebPushOptions, collapse: str | None, *, decodes_topics: bool) -> bytes | None:
    if options.topic is not None:
        if not _TOPIC.fullmatch(options.topic):
            raise RowError(Reason.INVALID_OPTION, "webpush.topic", "1 to 32 of the characters A-Z a-z 0-9 - _")
        if decodes_topics and _is_no_base64(options.topic):
            detail = "Apple refuses a topic whose length is 1 modulo 4 (1, 5, 9 ...), which no base64url text has"
            raise RowError(Reason.INVALID_OPTION, "webpush.topic", detail)
        return options.topic.encode()
    return None if collapse is None else _fit_topic(collapse, decodes_topics=decodes_topics)


def _is_no_base64(topic: str) -> bool:
    """Whether a topic can't be decoded: base64 writes 3 bytes in 4 characters, 1 and 2 in 2 and 3 (RFC 4648)."""
    return len(topic) % 4 == 1


def _fit_topic(collapse: str, *, decodes_topics: bool) -> bytes:
    """Return a caller's collapse text, or its hash where a topic can't carry it."""
    if _TOPIC.fullmatch(collapse) and not (decodes_topics and _is_no_base64(collapse)):
        return collapse.encode()
    return base64url.encode(hashlib.blake2b(collapse.encode(), digest_size=TOPIC_HASH_BYTES).digest()).encode()
