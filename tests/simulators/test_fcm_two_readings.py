"""The gateway's reading of FCM's pages and the simulator's, which share no line, come to the same.

Whatever the gateway renders the simulator takes for a message, and what the gateway refuses of a caller's own message
the simulator would refuse as well.
"""

import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.simulators.fcm import message_fields, proto_json
from tests.support.fcm_requests import request_of
from tests.support.fcm_sender import FcmRules
from tests.support.sends import ACCEPTED_AT_MS, PreparedRow, prepare_fcm
from tests.support.tree import ROOT

GOLDEN = Path(__file__).parent.parent / "protocol" / "data"
RENDERINGS = [
    *tomllib.loads((GOLDEN / "portable_content.toml").read_text())["content"],
    *tomllib.loads((GOLDEN / "fcm_content.toml").read_text())["rendering"],
]
TARGETS = [
    {"token": "c8:x"},
    {"fid": "cRx-9_aaaaaaaaaaaaaaaa"},
    {"topic": "news-1_a.b~c%"},
    {"condition": "'a' in topics && !('b' in topics)"},
]
RULES = FcmRules()
OTHER_READING = re.compile(r"\s*(?:from|import) (?:protocol|gateway|native)\b")

texts = st.text(max_size=20)
numbers = st.integers(-(2**33), 2**33) | st.floats(allow_nan=False, allow_infinity=False)
# Words that some field takes, so that a wrong value is often right elsewhere.
words = st.sampled_from(["1s", "0.5s", "-1s", "HIGH", "high", "PUBLIC", "PRIORITY_MIN", "ALLOW", "#ffffff", "3", "1e3"])
anything = st.recursive(
    st.none() | st.booleans() | numbers | texts | words | st.just("2026-05-28T20:26:40.5Z") | st.just("https://x"),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
RIGHT = {
    proto_json.read_string: texts,
    proto_json.read_bool: st.booleans(),
    proto_json.read_int32: st.integers(-(2**31), 2**31 - 1) | st.just("3"),
    proto_json.read_float: st.floats(-5, 5) | st.just("0.5"),
    proto_json.read_duration: st.sampled_from(["0s", "3600s", "2419200s", "3.5s"]),
    proto_json.read_timestamp: st.sampled_from(["2026-05-28T20:26:40Z", "2026-05-28T20:26:40.5+01:00"]),
    proto_json.read_object: st.dictionaries(texts, anything, max_size=2),
    proto_json.read_strings: st.dictionaries(texts | st.sampled_from(["from", "gcm.x"]), texts, max_size=2),
}


def values_of(reader: proto_json.Reader) -> st.SearchStrategy[Any]:
    """Return mostly right values for a field, and some that are right nowhere or in another."""
    if isinstance(reader, proto_json.MessageReader):
        fields = {name: values_of(read) for name, (_, read) in reader._fields.items()}
        names = st.lists(st.sampled_from([*fields, "unknown"]), max_size=4, unique=True)
        return names.flatmap(lambda chosen: st.fixed_dictionaries({name: fields.get(name, texts) for name in chosen}))
    right = RIGHT.get(reader, words | st.integers(0, 6) | st.lists(texts | words, max_size=2))
    return st.integers(0, 9).flatmap(lambda chance: right if chance else anything)


messages = values_of(message_fields.read_send_request._fields["message"][1]).map(
    # Targets stand elsewhere in a send, and of a field that is null the gateway says that it is there.
    lambda message: {
        name: value
        for name, value in message.items()
        if value is not None and name not in {*message_fields.TARGETS, "name"}
    }
)


def test_the_simulator_reads_without_a_line_of_the_gateways():
    sources = [path.read_text() for path in (ROOT / "bench" / "simulators" / "fcm").glob("*.py")]
    assert sources
    assert not [line for text in sources for line in text.splitlines() if OTHER_READING.match(line)]


def status_of(body: bytes) -> int:
    return RULES.judge(body=body).answer.status


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: next(iter(target)))
@pytest.mark.parametrize("rendering", RENDERINGS, ids=lambda rendering: rendering["name"])
def test_portable_content_is_a_message_for_every_kind_of_target(rendering, target):
    options = {"ttl": 3600} | rendering.get("options", {})
    row = prepare_fcm(content=rendering["content"], to={"fcm": target}, **options)
    assert status_of(request_of(row)) == 200


@settings(max_examples=200, derandomize=True, deadline=None)
@given(
    content=st.fixed_dictionaries(
        {"title": texts},
        optional={
            "body": texts,
            "image": st.just("https://shop.example/a.png"),
            "link": st.sampled_from(["https://shop.example/sale", "shop://sale"]),
            "badge": st.integers(0, 2**31 - 1),
            "sound": st.text(min_size=1, max_size=20),
            "data": st.dictionaries(st.text(min_size=1, max_size=20), texts, max_size=3),
        },
    ),
    options=st.fixed_dictionaries(
        {},
        optional={
            "urgency": st.sampled_from(["low", "normal", "high"]),
            "collapse": st.text(min_size=1, max_size=20),
            "ttl": st.integers(0, 2_419_200),
        },
    ),
    waited_ms=st.integers(-1000, 3_000_000_000),
)
def test_whatever_is_rendered_of_content_is_a_message_at_any_attempt(content, options, waited_ms):
    row = prepare_fcm(content=content, **options)
    if isinstance(row, PreparedRow):
        assert status_of(request_of(row, ACCEPTED_AT_MS + waited_ms)) == 200


@settings(max_examples=400, derandomize=True, deadline=None)
@given(messages)
def test_a_callers_own_message_is_taken_by_both_or_by_neither(message):
    row = prepare_fcm(payload_json=msgspec.json.encode(message))
    if isinstance(row, PreparedRow):
        assert status_of(request_of(row)) == 200
    else:
        assert status_of(msgspec.json.encode({"message": message | {"token": "c8:x"}})) == 400, row
