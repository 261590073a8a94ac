"""Portable content as the JSON of a push (docs/web-push.md#what-the-service-worker-receives).

There is one form, so that a service worker reads it in one way, whatever browser it runs in:

    {"web_push": 8030, "notification": {"title", "body", "navigate", "image", "data", "app_badge"}, "app_badge": 3}

``link`` is ``navigate``. With a title and a link the browser itself can show it, and ``web_push`` says so: that is a
declarative push, and browsers that don't know of it hand the same JSON to the service worker. Without them, or where
``webpush.declarative`` is false, the marker is left out and a service worker has to show it. The badge stands at the
top as a number, where the W3C has put it, and as a text in the notification, where Safari first looked for it.
A web notification has no sound of its own: ``sound`` is passed over.
"""

import re
from typing import Any

import msgspec

from protocol.providers.webpush.payload import DECLARATIVE_MARKER, WebPushBody, check_size
from protocol.reasons import Reason
from protocol.rejections import RowError
from protocol.send.fields import Content

_ABSOLUTE_URL = re.compile(r"https?://[^\s/?#\\]+[^\s\\]*", re.IGNORECASE)

_encoder = msgspec.json.Encoder()


def render_content(content: Content, declarative: bool | None) -> WebPushBody:
    """Return the payload of portable content; ``declarative`` None makes it so where it can be. Raises RowError."""
    notification = _render_notification(content)
    if not notification:
        raise RowError(Reason.INVALID_PAYLOAD, "content", "the content has nothing that Web Push can carry")
    is_declarative = _choose_declarative(content, declarative)
    payload: dict[str, Any] = {"web_push": DECLARATIVE_MARKER} if is_declarative else {}
    payload["notification"] = notification
    if content.badge is not None:
        payload["app_badge"] = content.badge
    data = _encoder.encode(payload)
    check_size(data, "content")
    return WebPushBody(data=data, is_declarative=is_declarative, field="content")


def _choose_declarative(content: Content, wanted: bool | None) -> bool:
    can_be = content.title is not None and content.link is not None and bool(_ABSOLUTE_URL.fullmatch(content.link))
    if wanted and not can_be:
        raise RowError(Reason.INVALID_OPTION, "webpush.declarative", "it needs a title and an absolute http(s) link")
    return can_be and wanted is not False


def _render_notification(content: Content) -> dict[str, Any]:
    notification = {
        "title": content.title,
        "body": content.body,
        "navigate": content.link,
        "image": content.image,
        "data": content.data,
        "app_badge": None if content.badge is None else str(content.badge),
    }
    return {key: value for key, value in notification.items() if value is not None}
