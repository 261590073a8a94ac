"""FCM's four ways to address, and the forms each must have (docs/fcm.md#addresses).

A stored destination is ``<kind>:<value>``, for instance ``token:c8…``. Whatever passes here holds no quote and no
backslash, so it stands in a JSON string as it is.
"""

import re
from typing import Literal

from protocol.reasons import Reason
from protocol.rejections import RowError
from protocol.send.fields import FcmTarget

Kind = Literal["token", "fid", "topic", "condition"]
KINDS: tuple[Kind, ...] = ("token", "fid", "topic", "condition")
# One message to these goes to many devices: a lane of their own, and half the payload.
FAN_OUT_KINDS = frozenset({"topic", "condition"})
CONDITION_LIMIT_TOPICS = 5

_TOPIC_CHARACTERS = r"[a-zA-Z0-9\-_.~%]{1,900}"
_TOPIC = re.compile(_TOPIC_CHARACTERS)
# Tokens and installation ids are opaque: visible ASCII, short of what JSON would have to escape.
_OPAQUE = re.compile(r"[!#-\[\]-~]+")
_CONDITION_WORD = re.compile(rf" *(?:(?P<topic>'{_TOPIC_CHARACTERS}' +in +topics)(?![\w'])|(?P<mark>&&|\|\||[!()]))")

_DETAILS: dict[Kind, str] = {
    "token": "a registration token is visible ASCII without blanks, quotes and backslashes",
    "fid": "an installation id is visible ASCII without blanks, quotes and backslashes",
    "topic": "a topic is 1 to 900 of the characters a-z A-Z 0-9 - _ . ~ %, without /topics/ before it",
    "condition": "a condition is 'a' in topics, joined by && and ||, with parentheses and !, at most "
    f"{CONDITION_LIMIT_TOPICS} topics",
}


def read_address(target: FcmTarget) -> tuple[Kind, bytes]:
    """Return the kind of an FCM target and its stored destination. Raises RowError."""
    given = [kind for kind in KINDS if getattr(target, kind) is not None]
    if len(given) != 1:
        raise RowError(
            Reason.INVALID_TOKEN, "to.fcm", "an FCM address has exactly one of token, fid, topic and condition"
        )
    (kind,) = given
    value: str = getattr(target, kind)
    if not _has_form(kind, value):
        raise RowError(Reason.INVALID_TOKEN, f"to.fcm.{kind}", _DETAILS[kind])
    return kind, f"{kind}:{value}".encode()


def split_destination(destination: bytes) -> tuple[bytes, bytes]:
    """Return the kind and the value of a stored destination."""
    kind, _, value = destination.partition(b":")
    return kind, value


def is_condition(text: str) -> bool:
    """Whether a text is a condition over topics that FCM can read."""
    depth = topics = at = 0
    wants_operand = True
    text = text.rstrip(" ")
    while at < len(text):
        word = _CONDITION_WORD.match(text, at)
        if word is None:
            return False
        at = word.end()
        starts_operand = word["topic"] is not None or word["mark"] in {"!", "("}
        if starts_operand is not wants_operand:
            return False
        depth += {"(": 1, ")": -1}.get(word["mark"], 0)
        topics += word["topic"] is not None
        if depth < 0:
            return False
        wants_operand = word["topic"] is None and word["mark"] != ")"
    return depth == 0 and not wants_operand and 1 <= topics <= CONDITION_LIMIT_TOPICS


def _has_form(kind: Kind, value: str) -> bool:
    if kind == "topic":
        return _TOPIC.fullmatch(value) is not None
    if kind == "condition":
        return is_condition(value)
    return _OPAQUE.fullmatch(value) is not None
