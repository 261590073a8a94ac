"""docs/api.md and the protocol say the same: every field with its type, bound, default and example, and every word."""

import ast
import json
import re
import uuid
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
import pytest
from msgspec import inspect

from protocol.dead_tokens import DeadToken
from protocol.frames import (
    Accepted,
    CallerFrame,
    Cancel,
    Cancelled,
    ConfirmDeadTokens,
    Confirmed,
    Credits,
    Error,
    GatewayFrame,
    Limits,
    RejectedRow,
    Subscribe,
    Unsubscribe,
)
from protocol.providers.apns import addresses as apns_addresses
from protocol.providers.apns.headers import COLLAPSE_ID_LIMIT_BYTES
from protocol.providers.apns.provider_ids import provider_id
from protocol.providers.apns.push_types import BROADCAST_PAYLOAD_LIMIT_BYTES, PAYLOAD_LIMIT_BYTES, PUSH_TYPES
from protocol.providers.fcm import message as fcm_message
from protocol.providers.fcm.addresses import CONDITION_LIMIT_TOPICS
from protocol.providers.webpush.endpoints import ENDPOINT_LIMIT_CHARACTERS
from protocol.providers.webpush.payload import PLAINTEXT_LIMIT_BYTES
from protocol.reasons import Reason
from protocol.results import Result, ResultBlock
from protocol.send import (
    ApnsOptions,
    ApnsTarget,
    BatchLimits,
    Content,
    Defaults,
    FcmOptions,
    FcmTarget,
    Notification,
    SendFrame,
    Target,
    TargetRow,
    WebPushKeys,
    WebPushOptions,
    WebPushTarget,
)
from protocol.send.fields import CANCEL_KEY_LIMIT_BYTES, ID_LIMIT_BYTES, LABEL_LIMIT_BYTES, TTL_LIMIT_SECONDS
from protocol.timing import DEFAULT_TTL_SECONDS, LONGEST_DELAY_MS, LONGEST_TTL_MS, OLDEST_START_MS
from tests.support.api_probes import FULL_SHOP, try_value
from tests.support.api_tables import (
    API,
    NOTHING,
    SOCKET,
    Field,
    describe_answer,
    describe_request,
    find_differences,
    is_nullable,
    read_fields,
    read_tables,
    unquote,
)
from tests.support.sends import ACCEPTED_AT_MS, prepare
from tests.support.webpush_sends import subscription

Struct = type[msgspec.Struct]
Tables = Mapping[tuple[str, int], Struct]

DAY_MS = 24 * 3600 * 1000
# By heading, and which of its tables it is.
REQUESTS: Tables = {
    ("Batch", 0): SendFrame,
    ("Notification", 0): Notification,
    ("Target row", 0): TargetRow,
    ("Content", 0): Content,
    ("To", 0): Target,
    ("To APNs", 0): ApnsTarget,
    ("To FCM", 0): FcmTarget,
    ("To Web Push", 0): WebPushTarget,
    ("Web Push keys", 0): WebPushKeys,
    ("Options", 0): Defaults,
    ("APNs options", 0): ApnsOptions,
    ("FCM options", 0): FcmOptions,
    ("Web Push options", 0): WebPushOptions,
    ("Cancelling", 0): Cancel,
    ("Results", 1): Subscribe,
    ("Forgetting a name", 0): Unsubscribe,
    ("Confirming held ones", 0): ConfirmDeadTokens,
}
ANSWERS: Tables = {
    ("The answer", 0): Accepted,
    ("Rejected", 0): RejectedRow,
    ("Cancelling", 1): Cancelled,
    ("A result", 0): Result,
    ("Dead tokens", 0): DeadToken,
    ("Confirming held ones", 1): Confirmed,
    ("Errors", 0): Error,
    ("Credits", 0): Credits,
    ("Limits", 0): Limits,
}
HEADING_OF = {kind.__name__: heading for (heading, _), kind in REQUESTS.items()}
LISTED_ROWS = {"notifications": "Notification", "targets": "Target row"}


class Narrowed(NamedTuple):
    """A bound that is held after decoding: its words, the largest value that is taken, and one that is too large."""

    bound: str
    fits: object
    is_over: object


def bytes_bound(limit: int, before: str = "") -> Narrowed:
    """Return a bound in bytes: characters of two bytes each fit half as often as the schema lets through."""
    fits, over = "é" * (limit // 2), "é" * (limit // 2 + 1)
    return Narrowed(f"{before}1 to {limit} bytes", [fits] if before else fits, [over] if before else over)


ROWS = BatchLimits().notifications
ROW = {"to": {"apns": {"token": "9f"}}}
HEX = apns_addresses.DEVICE_TOKEN_LIMIT_CHARACTERS
SERVICE = "https://updates.push.services.mozilla.com/wpush/v2/"
CHANNEL = apns_addresses.CHANNEL_LIMIT_CHARACTERS
NARROWED = {
    ("Batch", "labels"): bytes_bound(LABEL_LIMIT_BYTES, "at most 8, each "),
    ("Batch", "notifications"): Narrowed(f"1 to {ROWS:,}", [ROW] * ROWS, [ROW] * (ROWS + 1)),
    ("Batch", "targets"): Narrowed(f"1 to {ROWS:,}", [ROW["to"]] * ROWS, [ROW["to"]] * (ROWS + 1)),
    ("Notification", "id"): bytes_bound(ID_LIMIT_BYTES),
    ("Target row", "id"): bytes_bound(ID_LIMIT_BYTES),
    ("To APNs", "token"): Narrowed(f"2 to {HEX} hex digits", "9" * HEX, "9" * (HEX + 2)),
    ("To APNs", "channel"): Narrowed(f"1 to {CHANNEL} characters", "x" * CHANNEL, "x" * (CHANNEL + 1)),
    ("To FCM", "topic"): Narrowed("1 to 900 of `a-z A-Z 0-9 - _ . ~ %`", "x" * 900, "x" * 901),
    ("To FCM", "condition"): Narrowed(
        f"1 to {CONDITION_LIMIT_TOPICS} topics",
        " || ".join(["'a' in topics"] * CONDITION_LIMIT_TOPICS),
        " || ".join(["'a' in topics"] * (CONDITION_LIMIT_TOPICS + 1)),
    ),
    ("To Web Push", "endpoint"): Narrowed(
        f"1 to {ENDPOINT_LIMIT_CHARACTERS:,} characters",
        SERVICE + "x" * (ENDPOINT_LIMIT_CHARACTERS - len(SERVICE)),
        SERVICE + "x" * (ENDPOINT_LIMIT_CHARACTERS - len(SERVICE) + 1),
    ),
    ("To Web Push", "expirationTime"): Narrowed("a time, or the empty text", "", "tomorrow"),
    ("Options", "ttl"): Narrowed(f"0 to {TTL_LIMIT_SECONDS:,}", TTL_LIMIT_SECONDS, TTL_LIMIT_SECONDS + 1),
    ("Options", "expires_at"): Narrowed(
        f"after now, at most {LONGEST_TTL_MS // DAY_MS} days ahead",
        ACCEPTED_AT_MS + LONGEST_TTL_MS,
        ACCEPTED_AT_MS + LONGEST_TTL_MS + 1,
    ),
    ("Options", "not_before"): Narrowed(
        f"from {OLDEST_START_MS // DAY_MS} day ago, at most {LONGEST_DELAY_MS // DAY_MS} days ahead",
        ACCEPTED_AT_MS + LONGEST_DELAY_MS,
        ACCEPTED_AT_MS + LONGEST_DELAY_MS + 1,
    ),
    ("Options", "cancel_keys"): bytes_bound(CANCEL_KEY_LIMIT_BYTES, "at most 4, each "),
    ("APNs options", "collapse_id"): bytes_bound(COLLAPSE_ID_LIMIT_BYTES),
    ("APNs options", "expiration"): Narrowed(
        "0, or from 1 day ago", (ACCEPTED_AT_MS - DAY_MS) // 1000, (ACCEPTED_AT_MS - DAY_MS) // 1000 - 1
    ),
    ("FCM options", "analytics_label"): Narrowed("1 to 50 of `a-z A-Z 0-9 - _ . ~ %`", "x" * 50, "x" * 51),
    ("Web Push options", "topic"): Narrowed("1 to 32 of `A-Z a-z 0-9 - _`", "x" * 32, "x" * 33),
}
# What is taken where the schema's own default is null.
DEFAULTS = {
    ("Batch", "batch_id"): "made",
    ("Notification", "content"): "the batch's",
    ("Notification", "payload_json"): "the batch's",
    ("Notification", "payload_bytes"): "the batch's",
    ("To APNs", "environment"): "the app's",
    ("To Web Push", "vapid_key"): "the app's",
    ("Options", "ttl"): f"{DEFAULT_TTL_SECONDS:,}",
    ("Options", "not_before"): "at once",
    ("Options", "urgency"): "the provider's",
    ("Options", "queue"): "by `urgency`",
    ("Options", "on_unknown"): "`retry`",
    ("APNs options", "push_type"): "by the payload",
    ("APNs options", "topic"): "the app's",
    ("APNs options", "priority"): "by `urgency`",
    ("APNs options", "collapse_id"): "`collapse`",
    ("APNs options", "expiration"): "by `ttl`",
    ("FCM options", "priority"): "by `urgency`",
    ("FCM options", "collapse_key"): "`collapse`",
    ("FCM options", "validate_only"): "`false`",
    ("Web Push options", "urgency"): "`urgency`",
    ("Web Push options", "topic"): "`collapse`",
    ("Web Push options", "declarative"): "where it can be",
}


def link_to(heading: str) -> str:
    return f"[{heading}](#{heading.lower().replace(' ', '-')})"


def describe(heading: str, kind: Struct) -> dict[str, Field]:
    """Return what a table of a request should say."""
    fields = describe_request(kind)
    if kind is Notification:  # its options have a table of their own
        fields = {name: field for name, field in fields.items() if name not in describe_request(Defaults)}
    for name, field in fields.items():
        bound = NARROWED[heading, name].bound if (heading, name) in NARROWED else field.bound
        bound = link_to(HEADING_OF[bound]) if bound in HEADING_OF else bound
        default = DEFAULTS.get((heading, name), field.default)
        fields[name] = field._replace(bound=bound, default=default)
    return fields


def compare(api: str = API, requests: Tables = REQUESTS, answers: Tables = ANSWERS, socket: str = SOCKET) -> list[str]:
    """Return every difference between the documents and the structs."""
    differences = []
    for (heading, number), kind in requests.items():
        said = read_fields(read_tables(api, heading)[number])
        differences += find_differences(said, describe(heading, kind), heading)
    for (heading, number), kind in answers.items():
        said = read_fields(read_tables(api, heading)[number])
        differences += find_differences(said, describe_answer(kind), heading)
    said = read_fields(read_tables(socket, "Results in columns")[0])
    return differences + find_differences(said, describe_answer(ResultBlock), "Results in columns")


def test_the_tables_say_what_the_structs_do():
    assert compare() == []


@pytest.mark.parametrize(
    ("said", "planted", "difference"),
    [
        (r"\| `badge` .*\n", "", "Content: no row for badge"),
        (r"(?=\| `badge` )", "| `color` | text | 1 to 9 characters | - | - | - |\n", "Content: a row for color"),
        ("0 to 2,147,483,647 \\| - \\| `3`", "0 to 99 | - | `3`", "Content: the bound of badge"),
        (r"\| 86,400 \|", "| 3,600 |", "Options: the default of ttl"),
        (r"`ttl` \| integer, seconds", "`ttl` | integer, ms", "Options: the type of ttl"),
        (r"`high` `normal` `low`", "`high` `low`", "Options: the bound of urgency"),
        (
            r"\| `app` \| text \| 1 to 255 characters \| required",
            "| `app` | text | 1 to 255 characters | -",
            "Batch: the",
        ),
        (
            r"`provider_status` \| integer or null",
            "`provider_status` | integer",
            "A result: the type of provider_status",
        ),
        (r"\| `too_late` .*\n", "", "Cancelling: no row for too_late"),
    ],
)
def test_a_difference_in_the_document_is_found(said: str, planted: str, difference: str):
    changed, count = re.subn(said, lambda _: planted, API, count=1)
    assert count == 1
    (found,) = compare(changed)
    assert found.startswith(difference)


def test_a_field_that_is_added_without_a_row_is_found():
    wider = msgspec.defstruct("Wider", [("color", str | None, None)], bases=(Content,), frozen=True, kw_only=True)
    assert compare(requests={("Content", 0): wider}, answers={}) == ["Content: no row for color"]
    wider = msgspec.defstruct("Wider", [("since", int, 0)], bases=(Credits,), frozen=True, kw_only=True)
    assert compare(requests={}, answers={("Credits", 0): wider}) == ["Credits: no row for since"]


def test_the_fields_that_take_no_null_are_named():
    strict = {
        field.encode_name
        for kind in REQUESTS.values()
        for field in inspect.type_info(kind).fields
        if not field.required and not is_nullable(field.type)
    }
    (sentence,) = re.findall(r"is the same as leaving a field out; (.*?)\.", API, re.DOTALL)
    assert {*re.findall(r"`(\w+)`", sentence)} - {"null"} == strict


def test_every_struct_on_the_wire_has_its_table():
    tables = {*REQUESTS.values(), *ANSWERS.values(), ResultBlock}
    for frame in (CallerFrame, GatewayFrame):
        for kind in inspect.type_info(frame).types:
            inner = {each.cls for field in kind.fields for each in structs_in(field.type)}
            assert inner <= tables, kind.cls
            if kind.cls not in tables:
                assert read_frame(kind.tag) == {field.encode_name for field in kind.fields}, kind.cls


def structs_in(kind: inspect.Type) -> list[inspect.StructType]:
    match kind:
        case inspect.StructType():
            return [kind, *(each for field in kind.fields for each in structs_in(field.type))]
        case inspect.UnionType(types=types):
            return [each for one in types for each in structs_in(one)]
        case inspect.ListType(item_type=item):
            return structs_in(item)
        case inspect.Metadata(type=inner):
            return structs_in(inner)
        case _:
            return []


def read_frame(op: str) -> set[str]:
    """Return the fields that docs/socket.md gives a frame, from either end."""
    cells = [cell for row in read_tables(SOCKET, "Frames")[0] for cell in row.values()]
    names = [re.findall(r"`(\w+)(?:: [^`]*)?`", cell.partition(";")[0]) for cell in cells]
    return {name for op_and_fields in names if op_and_fields[:1] == [op] for name in op_and_fields[1:]}


def test_the_frames_of_the_socket_have_the_fields_of_their_structs():
    for kind in (Cancel, Cancelled, Subscribe, Unsubscribe, ConfirmDeadTokens, Confirmed, Accepted):
        assert read_frame(str(inspect.type_info(kind).tag)) == set(describe_answer(kind)), kind


def rows_of_requests() -> list[Any]:
    return [
        pytest.param(heading, row, id=f"{heading}, {row['field']}")
        for heading, number in REQUESTS
        for row in read_tables(API, heading)[number]
    ]


@pytest.mark.parametrize(("heading", "row"), rows_of_requests())
def test_an_example_is_taken(heading: str, row: dict[str, str]):
    field, example = unquote(row["field"]), row["example"]
    if field in LISTED_ROWS and heading == "Batch":
        assert example == link_to(LISTED_ROWS[field])
    elif row["type"] == "map":
        assert example == row["bound"], "it has its own table"
    elif (heading, field) == ("Batch", "wait_ms"):
        assert (example, try_value(heading, field, 0)) == (NOTHING, Reason.NOT_SUPPORTED)
    else:
        text = unquote(example)
        assert try_value(heading, field, text.encode() if row["type"] == "bytes" else json.loads(text)) is None


@pytest.mark.parametrize(("heading", "field"), NARROWED, ids=", ".join)
def test_a_bound_that_is_held_after_decoding_is_where_it_says(heading: str, field: str):
    narrowed = NARROWED[heading, field]
    assert try_value(heading, field, narrowed.fits) is None
    assert try_value(heading, field, narrowed.is_over) is not None


@pytest.mark.parametrize("source", re.findall(r"^```python\n(batch = .*?)^```", API, re.MULTILINE | re.DOTALL))
def test_a_whole_batch_is_taken(source: str):
    (assignment,) = ast.parse(source).body
    rows, rejections = prepare(FULL_SHOP, **ast.literal_eval(assignment.value))
    assert (len(rows) >= 2, rejections) == (True, [])


def test_the_result_that_is_shown_is_one():
    (shown,) = re.findall(r"^```json\n(.*?)^```", API, re.MULTILINE | re.DOTALL)
    result = msgspec.json.decode(shown, type=Result)
    assert json.loads(shown) == msgspec.to_builtins(result)
    prefix = uuid.UUID(result.provider_id).bytes[:-4]
    assert result.provider_id == provider_id(prefix, result.index)


def test_the_largest_payloads_are_those_that_are_taken():
    said = {
        int(number.replace(",", ""))
        for row in read_tables(API, "Payloads")[0]
        for number in re.findall(r"\d[\d,]+", row["at most"])
    }
    assert PUSH_TYPES["voip"].payload_limit_bytes == BROADCAST_PAYLOAD_LIMIT_BYTES
    assert said == {
        PAYLOAD_LIMIT_BYTES,
        BROADCAST_PAYLOAD_LIMIT_BYTES,
        fcm_message.MESSAGE_LIMIT_BYTES,
        fcm_message.PAYLOAD_LIMIT_BYTES,
        fcm_message.FAN_OUT_PAYLOAD_LIMIT_BYTES,
        PLAINTEXT_LIMIT_BYTES,
    }


APNS = {"to": {"apns": {"token": "9f" * 32}}}
FCM = {"to": {"fcm": {"token": "c8:x"}}}
WEBPUSH = {"to": subscription()}


@pytest.mark.parametrize(
    ("to", "without", "default"),
    [
        (APNS, {}, {"ttl": DEFAULT_TTL_SECONDS}),
        (APNS, {}, {"not_before": ACCEPTED_AT_MS}),
        (APNS, {}, {"on_unknown": "retry"}),
        (APNS, {}, {"queue": "normal"}),
        (APNS, {"urgency": "high"}, {"queue": "urgent"}),
        (APNS, {"urgency": "low"}, {"queue": "bulk"}),
        (APNS, {}, {"apns": {"push_type": "alert"}}),
        (APNS, {"urgency": "low"}, {"apns": {"priority": 5}}),
        (APNS, {"collapse": "sale"}, {"apns": {"collapse_id": "sale"}}),
        (APNS, {"ttl": 60}, {"apns": {"expiration": ACCEPTED_AT_MS // 1000 + 60}}),
        (FCM, {"urgency": "high"}, {"fcm": {"priority": "high"}}),
        (FCM, {"collapse": "sale"}, {"fcm": {"collapse_key": "sale"}}),
        (FCM, {}, {"fcm": {"validate_only": False}}),
        (WEBPUSH, {"urgency": "low"}, {"webpush": {"urgency": "low"}}),
        (WEBPUSH, {"collapse": "sale"}, {"webpush": {"topic": "sale"}}),
        (WEBPUSH, {}, {"webpush": {"declarative": True}}),
    ],
)
def test_a_default_is_what_is_taken_without_it(to: dict[str, Any], without: dict[str, Any], default: dict[str, Any]):
    content = {"title": "Sale", "link": "https://shop.example/sale"}
    notifications = [to | without | {"content": content}, to | without | default | {"content": content}]
    (implied, said), rejections = prepare(FULL_SHOP, notifications=notifications)
    assert rejections == []
    assert msgspec.structs.replace(said, index=implied.index) == implied
