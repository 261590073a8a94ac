"""Portable content as an APNs payload.

Title and body become the alert, ``data`` stands beside ``aps`` as APNs wants it. APNs has no image or link of its own:
they are custom keys of those names, and an image asks for the app's service extension by ``mutable-content``. Content
with nothing to show or play becomes a background payload.
"""

from typing import Any

import msgspec

from protocol.providers.apns.payload import Body, PayloadShape
from protocol.reasons import Reason
from protocol.rejections import RowError
from protocol.send.fields import Content

_VISIBLE = PayloadShape(is_visible=True)
_BACKGROUND = PayloadShape(is_content_available=True)
_RESERVED_KEYS = ("aps", "image", "link")

_encoder = msgspec.json.Encoder()


def render_content(content: Content) -> Body:
    """Return the payload of portable content. Raises RowError when there is none, or two meanings for one key."""
    aps = _render_aps(content)
    custom = _render_custom_keys(content)
    if not aps:
        if not custom:
            raise RowError(Reason.INVALID_PAYLOAD, "content", "the content is empty")
        aps = {"content-available": 1}
        shape = _BACKGROUND
    else:
        shape = _VISIBLE
    if content.image is not None and "alert" in aps:
        aps["mutable-content"] = 1
    return Body(data=_encoder.encode({"aps": aps, **custom}), shape=shape, field="content")


def _render_aps(content: Content) -> dict[str, Any]:
    aps: dict[str, Any] = {}
    alert = {}
    if content.title is not None:
        alert["title"] = content.title
    if content.body is not None:
        alert["body"] = content.body
    if alert:
        aps["alert"] = alert
    if content.badge is not None:
        aps["badge"] = content.badge
    if content.sound is not None:
        aps["sound"] = content.sound
    return aps


def _render_custom_keys(content: Content) -> dict[str, str]:
    custom: dict[str, str] = {}
    if content.data is not None:
        for key in _RESERVED_KEYS:
            if key in content.data:
                raise RowError(Reason.INVALID_PAYLOAD, "content.data", f"the key {key} has a meaning of its own")
        custom |= content.data
    if content.image is not None:
        custom["image"] = content.image
    if content.link is not None:
        custom["link"] = content.link
    return custom
