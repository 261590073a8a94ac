"""Every field that a caller may write into an FCM message, with its form (docs/fcm.md#a-message-of-your-own).

The table is that of the FCM v1 discovery document of 2026-10-23, short of the target, which stands under ``to``. Names
are in snake_case; the camelCase of generated clients means the same fields. ``null`` is an absent field in proto3 JSON.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

TTL_LIMIT_SECONDS = 28 * 24 * 3600
_DURATION = re.compile(r"(-?\d{1,12})(?:\.\d{1,9})?s")
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)")
_COLOR = re.compile(r"#[0-9a-fA-F]{6}")
_ANALYTICS_LABEL = re.compile(r"[a-zA-Z0-9\-_.~%]{1,50}")
# proto3 JSON takes numbers as texts too, and whole ones with a fraction of zero.
_INTEGER = re.compile(r"-?[0-9]{1,10}")
_NUMBER = re.compile(r"-?[0-9]{1,20}(?:\.[0-9]{1,20})?(?:[eE][+-]?[0-9]{1,2})?")


class Form(msgspec.Struct, frozen=True):
    """What a scalar field must look like; ``words`` say it to a caller."""

    accepts: Callable[[Any], bool]
    words: str


class Map(msgspec.Struct, frozen=True):
    """An object of the caller's own keys, every value a string. ``is_data``: some keys are reserved by FCM."""

    is_data: bool = False


Fields = Mapping[str, "Form | Map | Fields"]


def read_duration_seconds(text: object) -> int | None:
    """Return a proto Duration's whole seconds, rounded down as FCM does; None for anything else."""
    found = _DURATION.fullmatch(text) if isinstance(text, str) else None
    return int(found[1]) if found else None


def _is_ttl(value: object) -> bool:
    seconds = read_duration_seconds(value)
    if seconds is None or not isinstance(value, str) or value.startswith("-"):
        return False
    has_fraction = value[:-1].partition(".")[2].strip("0") != ""
    return seconds < TTL_LIMIT_SECONDS or (seconds == TTL_LIMIT_SECONDS and not has_fraction)


def _matches(pattern: re.Pattern[str]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


def _word_of(*words: str, also_lower_case: bool = False) -> Form:
    """Return the form of an enum whose words stand in the order of their numbers, which proto3 JSON takes as well."""
    spelled = (*words, *(word.lower() for word in words)) if also_lower_case else words
    known = frozenset(spelled)

    def accepts(value: object) -> bool:
        return value in known if isinstance(value, str) else type(value) is int and 0 <= value < len(words)

    return Form(accepts, f"one of {', '.join(spelled)}")


def _list_of(form: Form) -> Form:
    return Form(
        lambda value: isinstance(value, list) and all(form.accepts(item) for item in value),
        f"a list, each element {form.words}",
    )


def _is_integer(value: object) -> bool:
    if isinstance(value, str):
        return _INTEGER.fullmatch(value) is not None and _is_int32(int(value))
    return isinstance(value, int | float) and not isinstance(value, bool) and _is_int32(value)


def _is_int32(value: float) -> bool:
    return -(2**31) <= value < 2**31 and value == int(value)


def _is_number(value: object) -> bool:
    if isinstance(value, str):
        return _NUMBER.fullmatch(value) is not None
    return isinstance(value, int | float) and not isinstance(value, bool)


TEXT = Form(lambda value: isinstance(value, str), "a string")
BOOLEAN = Form(lambda value: isinstance(value, bool), "true or false")
INTEGER = Form(_is_integer, "a whole number of 32 bits")
NUMBER = Form(_is_number, "a number")
OBJECT = Form(lambda value: isinstance(value, dict), "an object")
DURATION = Form(lambda value: read_duration_seconds(value) is not None, 'a string of seconds with s, like "3.5s"')
TTL = Form(_is_ttl, f'a string of seconds with s, from "0s" to "{TTL_LIMIT_SECONDS}s"')
TIMESTAMP = Form(_matches(_TIMESTAMP), "a moment as RFC 3339 writes it")
COLOR = Form(_matches(_COLOR), "a color as #rrggbb")
ANALYTICS_LABEL = Form(_matches(_ANALYTICS_LABEL), "1 to 50 of the characters a-z A-Z 0-9 - _ . ~ %")
LINK = Form(lambda value: isinstance(value, str) and value.startswith("https://"), "an https URL")
STRINGS = Map()
DATA = Map(is_data=True)

_ANALYTICS: Fields = {"analytics_label": ANALYTICS_LABEL}

ANDROID_NOTIFICATION: Fields = {
    "title": TEXT,
    "body": TEXT,
    "icon": TEXT,
    "color": COLOR,
    "sound": TEXT,
    "tag": TEXT,
    "click_action": TEXT,
    "body_loc_key": TEXT,
    "body_loc_args": _list_of(TEXT),
    "title_loc_key": TEXT,
    "title_loc_args": _list_of(TEXT),
    "channel_id": TEXT,
    "ticker": TEXT,
    "sticky": BOOLEAN,
    "event_time": TIMESTAMP,
    "local_only": BOOLEAN,
    "notification_priority": _word_of(
        "PRIORITY_UNSPECIFIED", "PRIORITY_MIN", "PRIORITY_LOW", "PRIORITY_DEFAULT", "PRIORITY_HIGH", "PRIORITY_MAX"
    ),
    "default_sound": BOOLEAN,
    "default_vibrate_timings": BOOLEAN,
    "default_light_settings": BOOLEAN,
    "vibrate_timings": _list_of(DURATION),
    "visibility": _word_of("VISIBILITY_UNSPECIFIED", "PRIVATE", "PUBLIC", "SECRET"),
    "notification_count": INTEGER,
    "light_settings": {
        "color": {"red": NUMBER, "green": NUMBER, "blue": NUMBER, "alpha": NUMBER},
        "light_on_duration": DURATION,
        "light_off_duration": DURATION,
    },
    "image": TEXT,
    "bypass_proxy_notification": BOOLEAN,
    "proxy": _word_of("PROXY_UNSPECIFIED", "ALLOW", "DENY", "IF_PRIORITY_LOWERED"),
}

# What android and android_v2 have in common: how the message travels.
_TRANSPORT: Fields = {
    "collapse_key": TEXT,
    "ttl": TTL,
    "restricted_package_name": TEXT,
    "data": DATA,
    "direct_boot_ok": BOOLEAN,
    "bandwidth_constrained_ok": BOOLEAN,
    "restricted_satellite_ok": BOOLEAN,
    "fcm_options": _ANALYTICS,
}

MESSAGE: Fields = {
    "data": DATA,
    "notification": {"title": TEXT, "body": TEXT, "image": TEXT},
    "android": {
        **_TRANSPORT,
        "priority": _word_of("NORMAL", "HIGH", also_lower_case=True),
        "notification": ANDROID_NOTIFICATION,
    },
    "android_v2": {
        **_TRANSPORT,
        "remote_notification": {
            "notification": {**ANDROID_NOTIFICATION, "id": INTEGER},
            "mutable_content": BOOLEAN,
            "use_as_v1_data_message": BOOLEAN,
        },
        "background_sync": {},
    },
    "apns": {
        "headers": STRINGS,
        "payload": OBJECT,
        "live_activity_token": TEXT,
        "fcm_options": {**_ANALYTICS, "image": TEXT},
    },
    "webpush": {
        "headers": STRINGS,
        "data": STRINGS,
        "notification": OBJECT,
        "fcm_options": {**_ANALYTICS, "link": LINK},
    },
    "fcm_options": _ANALYTICS,
}
