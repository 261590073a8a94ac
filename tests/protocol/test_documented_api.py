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
from protocol.outcomes import Advice, Outcome
from protocol.providers.apns import addresses as apns_addresses
from protocol.providers.apns.headers import COLLAPSE_ID_LIMIT_BYTES
from protocol.providers.apns.provider_ids import provider_id
from protocol.providers.apns.push_types import BROADCAST_PAYLOAD_LIMIT_BYTES, PAYLOAD_LIMIT_BYTES, PUSH_TYPES
from protocol.providers.apns.responses import RESPONSES as APNS_RESPONSES
from protocol.providers.fcm import message as fcm_message
from protocol.providers.fcm.addresses import CONDITION_LIMIT_TOPICS
from protocol.providers.fcm.responses import RESPONSES as FCM_RESPONSES
from protocol.providers.webpush.endpoints import ENDPOINT_LIMIT_CHARACTERS
from protocol.providers.webpush.payload import PLAINTEXT_LIMIT_BYTES
from protocol.providers.webpush.responses import RESPONSES as WEBPUSH_RESPONSES
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
    read_fields,
    read_tables,
    unquote,
)
from tests.support.sends import ACCEPTED_AT_MS, prepare
from tests.support.tree import ROOT, project_files

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


def compare_words(api: str = API) -> list[str]:
    """Return every difference between the lists of words and their tables, numbers included."""
    differences = []
    for heading, column, words in (
        ("Reasons", "reason", Reason),
        ("Outcomes", "outcome", Outcome),
        ("Advice", "advice", Advice),
    ):
        said = [(int(row["no."]), unquote(row[column])) for row in read_tables(api, heading)[0]]
        meant = [(word.value, word.word) for word in words]
        differences += [f"{heading}: {each} in one of the two" for each in sorted({*said} ^ {*meant})]
        differences += [f"{heading}: out of order"] if said != sorted(said) else []
    return differences


def test_the_tables_say_what_the_structs_do():
    assert compare() == []


def test_the_tables_of_words_say_what_the_lists_do():
    assert compare_words() == []


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


@pytest.mark.parametrize(
    ("said", "planted"),
    [
        (r"\| 29 \| `batch_conflict` .*\n", ""),
        (r"\| 21 \| `channel_gone`", "| 21 | `channel_missing`"),
        (r"\| 7 \| `unknown`", "| 8 | `unknown`"),
        (r"(?=\| 7 \| `retry_later`)", "| 8 | `ask_again` | - |\n"),
    ],
)
def test_a_difference_in_the_words_is_found(said: str, planted: str):
    changed, count = re.subn(said, lambda _: planted, API, count=1)
    assert count == 1
    assert compare_words(changed) != []


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


def test_a_reason_is_said_to_be_given_where_the_code_gives_it():
    comes_as = {Reason[unquote(row["reason"]).upper()]: row["comes as"] for row in read_tables(API, "Reasons")[0]}
    code = "\n".join((ROOT / path).read_text() for path in project_files("protocol/*.py", "gateway/*.py"))
    given = {Reason[name] for name in re.findall(r"\bReason\.([A-Z_]+)\b(?!:)", code)}
    assert {reason for reason, places in comes_as.items() if places != NOTHING} == given
    by_providers = {
        verdict.reason for table in (APNS_RESPONSES, FCM_RESPONSES, WEBPUSH_RESPONSES) for verdict in table.values()
    }
    assert {reason for reason in by_providers if reason and "result" not in comes_as[reason]} == set()
