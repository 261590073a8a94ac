"""What a request must be like for every push service: one function a rule, one table, in the order of application.

Each rule looks at the request and returns what is wrong with it, or None; `vapid` judges the authorization, and what a
service makes of a fault is in `habits`. The order goes from what is cheap and certain to what needs a signature.

Fields that hold a single value may come once; repeating others is no fault (RFC 9110 section 5.3).
"""

import re
from collections.abc import Callable

from bench.simulators.server import Request
from bench.simulators.webpush.decoder import DecryptionError, split_content
from bench.simulators.webpush.faults import Fault

MOST_BODY_BYTES = 4096
"""RFC 8030 section 7.2: a service must take so much, and the known ones take no more."""

_SINGLE_FIELDS = frozenset((b"ttl", b"urgency", b"topic", b"authorization", b"content-encoding", b"content-type"))
_URGENCIES = frozenset((b"very-low", b"low", b"normal", b"high"))
_TTL = re.compile(rb"[0-9]+")
_NEGATIVE_TTL = re.compile(rb"-[0-9]+")
_TOPIC = re.compile(rb"[A-Za-z0-9_-]{1,32}")

# RFC 8030 section 5.2: whatever lies above counts as this.
_MOST_TTL_SECONDS = 2**31

Rule = Callable[[Request], Fault | None]


def find_fault(request: Request) -> Fault | None:
    """Return the first rule of form that a request breaks, or None."""
    for rule in RULES:
        fault = rule(request)
        if fault is not None:
            return fault
    return None


def find_ttl(request: Request) -> int | None:
    """Return the TTL in seconds; None when there is none, or not in digits."""
    value = request.headers.get(b"ttl", b"")
    if not _TTL.fullmatch(value):
        return None
    digits = value.lstrip(b"0")
    # Python refuses to read numbers of thousands of digits.
    return min(int(digits or b"0"), _MOST_TTL_SECONDS) if len(digits) <= 10 else _MOST_TTL_SECONDS


def is_key_reused(request: Request, vapid_key: bytes) -> bool:
    """Whether the key that the body names as its sender's is the one that signs (RFC 8292 section 2)."""
    try:
        return split_content(request.body).key_id == vapid_key
    except DecryptionError:
        return False  # the receiver's affair: a service doesn't look into bodies


def _repeated_fields(request: Request) -> Fault | None:
    return Fault.REPEATED_HEADER if request.repeated_headers & _SINGLE_FIELDS else None


def _ttl(request: Request) -> Fault | None:
    """RFC 8030 section 5.2: required, 1*DIGIT."""
    value = request.headers.get(b"ttl")
    if value is None:
        return Fault.TTL_MISSING
    if _TTL.fullmatch(value):
        return None
    return Fault.TTL_NEGATIVE if _NEGATIVE_TTL.fullmatch(value) else Fault.TTL_FORM


def _urgency(request: Request) -> Fault | None:
    """RFC 8030 section 5.3: one of four; none is normal."""
    return None if request.headers.get(b"urgency", b"normal") in _URGENCIES else Fault.URGENCY


def _topic(request: Request) -> Fault | None:
    """RFC 8030 section 5.4."""
    value = request.headers.get(b"topic")
    return None if value is None or _TOPIC.fullmatch(value) else Fault.TOPIC


def _content_encoding(request: Request) -> Fault | None:
    """RFC 8291 section 4: aes128gcm and nothing else; a push without a body has no encoding."""
    expected = b"aes128gcm" if request.body_bytes else None
    return None if request.headers.get(b"content-encoding") == expected else Fault.CONTENT_ENCODING


def _body_size(request: Request) -> Fault | None:
    return Fault.BODY_TOO_LARGE if request.body_bytes > MOST_BODY_BYTES else None


RULES: tuple[Rule, ...] = (
    _repeated_fields,
    _ttl,
    _urgency,
    _topic,
    _content_encoding,
    _body_size,
)
