"""The request of ``messages:send`` as a table: every field, and what it holds.

See docs/fcm.md#a-message-of-your-own.

From the discovery document of 2026-10-23.
"""

from bench.simulators.fcm.proto_json import (
    MessageReader,
    Reader,
    enum_of,
    list_of,
    read_bool,
    read_duration,
    read_float,
    read_int32,
    read_object,
    read_string,
    read_strings,
    read_timestamp,
)

TARGETS = frozenset(("token", "fid", "topic", "condition"))

_LABEL_OPTIONS = MessageReader({"analytics_label": read_string})

_NOTIFICATION = MessageReader({"title": read_string, "body": read_string, "image": read_string})

_COLOR = MessageReader({"red": read_float, "green": read_float, "blue": read_float, "alpha": read_float})

_LIGHT_SETTINGS = MessageReader(
    {"color": _COLOR, "light_on_duration": read_duration, "light_off_duration": read_duration}
)

_ANDROID_NOTIFICATION_FIELDS: dict[str, Reader] = {
    "title": read_string,
    "body": read_string,
    "icon": read_string,
    "color": read_string,
    "sound": read_string,
    "tag": read_string,
    "click_action": read_string,
    "body_loc_key": read_string,
    "body_loc_args": list_of(read_string),
    "title_loc_key": read_string,
    "title_loc_args": list_of(read_string),
    "channel_id": read_string,
    "ticker": read_string,
    "sticky": read_bool,
    "event_time": read_timestamp,
    "local_only": read_bool,
    "notification_priority": enum_of(
        "PRIORITY_UNSPECIFIED", "PRIORITY_MIN", "PRIORITY_LOW", "PRIORITY_DEFAULT", "PRIORITY_HIGH", "PRIORITY_MAX"
    ),
    "default_sound": read_bool,
    "default_vibrate_timings": read_bool,
    "default_light_settings": read_bool,
    "vibrate_timings": list_of(read_duration),
    "visibility": enum_of("VISIBILITY_UNSPECIFIED", "PRIVATE", "PUBLIC", "SECRET"),
    "notification_count": read_int32,
    "light_settings": _LIGHT_SETTINGS,
    "image": read_string,
    "bypass_proxy_notification": read_bool,
    "proxy": enum_of("PROXY_UNSPECIFIED", "ALLOW", "DENY", "IF_PRIORITY_LOWERED"),
}

_ANDROID_TRANSPORT_FIELDS: dict[str, Reader] = {
    "collapse_key": read_string,
    "ttl": read_duration,
    "restricted_package_name": read_string,
    "data": read_strings,
    "direct_boot_ok": read_bool,
    "bandwidth_constrained_ok": read_bool,
    "restricted_satellite_ok": read_bool,
    "fcm_options": _LABEL_OPTIONS,
}

_ANDROID = MessageReader(
    {
        **_ANDROID_TRANSPORT_FIELDS,
        "priority": enum_of("NORMAL", "HIGH", also_lower_case=True),
        "notification": MessageReader(_ANDROID_NOTIFICATION_FIELDS),
    }
)

_REMOTE_NOTIFICATION = MessageReader(
    {
        # The newer notification has a number of its own besides its tag.
        "notification": MessageReader({**_ANDROID_NOTIFICATION_FIELDS, "id": read_int32}),
        "mutable_content": read_bool,
        "use_as_v1_data_message": read_bool,
    }
)

_ANDROID_V2 = MessageReader(
    {
        **_ANDROID_TRANSPORT_FIELDS,
        "remote_notification": _REMOTE_NOTIFICATION,
        "background_sync": MessageReader({}),
    },
    oneofs={"message_type": frozenset(("remote_notification", "background_sync"))},
)

_APNS = MessageReader(
    {
        "headers": read_strings,
        "payload": read_object,
        "live_activity_token": read_string,
        "fcm_options": MessageReader({"analytics_label": read_string, "image": read_string}),
    }
)

_WEBPUSH = MessageReader(
    {
        "headers": read_strings,
        "data": read_strings,
        "notification": read_object,
        "fcm_options": MessageReader({"link": read_string, "analytics_label": read_string}),
    }
)

_MESSAGE = MessageReader(
    {
        **dict.fromkeys(sorted(TARGETS), read_string),
        "name": read_string,  # output only: taken, and of no effect
        "data": read_strings,
        "notification": _NOTIFICATION,
        "android": _ANDROID,
        "android_v2": _ANDROID_V2,
        "apns": _APNS,
        "webpush": _WEBPUSH,
        "fcm_options": _LABEL_OPTIONS,
    },
    oneofs={"target": TARGETS},
)

read_send_request = MessageReader({"message": _MESSAGE, "validate_only": read_bool})
