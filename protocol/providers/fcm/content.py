"""Portable content as an FCM message for all three kinds of devices behind it.

Title, body and image become the notification that every system shows. Badge and sound go where each platform has them.
FCM has no link for apps: it stands in ``data`` under that name, as in our APNs payloads, and browsers open it by
themselves where it is https. Android's ``click_action`` is no place for it: that names an intent of the app, and a tap
opens nothing where the app has none of this name. Content with nothing to show is a data message, which wakes an
iPhone app in the background at the only priority that Apple takes for it (docs/apns.md#push-types).
"""

from typing import Any

from protocol.providers.fcm.message import Message, measure_payload
from protocol.providers.fcm.message_checks import check_data_keys
from protocol.reasons import Reason
from protocol.rejections import RowError
from protocol.send.fields import Content

_BACKGROUND_HEADERS = {"apns-push-type": "background", "apns-priority": "5"}
_ALERT_HEADERS = {"apns-push-type": "alert"}


def render_content(content: Content) -> Message:
    """Return the message of portable content. Raises RowError when there is none, or a key that is taken."""
    notification = _pick(title=content.title, body=content.body, image=content.image)
    data = _render_data(content)
    aps = _render_aps(content)
    if not (notification or data or aps):
        raise RowError(Reason.INVALID_PAYLOAD, "content", "the content is empty")
    is_background = not notification and not aps
    android = _render_android(content) if notification else {}
    apns = _render_apns(content, {"content-available": 1} if is_background else aps)
    webpush = _render_webpush(content) if notification else None
    members = _pick(notification=notification or None, data=data or None, webpush=webpush)
    return Message(
        android=android,
        members=members,
        apns_headers=_BACKGROUND_HEADERS if is_background else _ALERT_HEADERS,
        apns=apns,
        payload_bytes=measure_payload(members | {"android": android, "apns": apns}),
        field="content",
    )


def _render_data(content: Content) -> dict[str, str]:
    data = dict(content.data or {})
    check_data_keys(data, "content.data")
    if content.link is not None:
        if "link" in data:
            raise RowError(Reason.INVALID_PAYLOAD, "content.data", "the key link has a meaning of its own")
        data["link"] = content.link
    return data


def _render_aps(content: Content) -> dict[str, Any]:
    """Return what FCM does not make of the notification by itself."""
    has_alert = content.title is not None or content.body is not None
    return _pick(
        badge=content.badge,
        sound=content.sound,
        **{"mutable-content": 1 if has_alert and content.image is not None else None},
    )


def _render_apns(content: Content, aps: dict[str, Any]) -> dict[str, Any]:
    options = None if content.image is None else {"image": content.image}
    return _pick(payload={"aps": aps} if aps else None, fcm_options=options)


def _render_android(content: Content) -> dict[str, Any]:
    own = _pick(sound=_name_resource(content.sound), notification_count=content.badge)
    return {"notification": own} if own else {}


def _name_resource(sound: str | None) -> str | None:
    """Return a sound as Android names it: Apple's name of a file short of its extension, which no resource has."""
    return sound if sound is None else sound.partition(".")[0] or sound


def _render_webpush(content: Content) -> dict[str, Any] | None:
    if content.link is None or not content.link.startswith("https://"):
        return None
    return {"fcm_options": {"link": content.link}}


def _pick(**values: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON values
    """Return what is there."""
    return {name: value for name, value in values.items() if value is not None}
