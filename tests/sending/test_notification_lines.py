import codecs
import io
import json

import pytest

from gateway.cli.sending import HeaderError, LineFault, SourceLine, parse_moment, read_csv, read_lines, read_ndjson


def test_ndjson_lines_are_notifications_in_the_fields_of_the_api():
    lines = ['{"to": {"apns": {"token": "9f"}}, "id": "n1", "ttl": 60, "payload": {"aps": {"badge": 1}}}\n', "\n"]
    (line,) = read_ndjson(lines, "in")
    assert line == SourceLine(
        "in:1", {"to": {"apns": {"token": "9f"}}, "id": "n1", "ttl": 60, "payload_json": b'{"aps":{"badge":1}}'}
    )


@pytest.mark.parametrize(
    ("line", "detail"),
    [
        ("nope", "not JSON"),
        ("[1]", "not a JSON object"),
        ("[" * 100_000, "recursion"),
        ('{"to": {"apns": {"token": 5}}}', "to.apns.token: "),
        ('{"to": {"apns": {"token": "9f"}}, "bogus": 1}', "bogus: "),
        ('{"id": "n1"}', "to: "),
    ],
)
def test_a_bad_line_is_named_and_the_others_go_on(line: str, detail: str):
    good = '{"to": {"apns": {"token": "9f"}}}'
    first, fault, last = read_ndjson([good, line, good], "in.ndjson")
    assert isinstance(first, SourceLine)
    assert isinstance(last, SourceLine)
    assert isinstance(fault, LineFault)
    assert fault.place == "in.ndjson:2"
    assert detail in fault.detail


def test_csv_cells_go_where_their_column_says():
    lines = ["token,title,badge,ttl,push_type,payload\n", '9f,"A, b",3,60,alert,\n', '9f,,,,,"{""aps"":{}}"\n']
    first, second = read_csv(lines, "in.csv")
    assert first == SourceLine(
        "in.csv:2",
        {
            "to": {"apns": {"token": "9f"}},
            "content": {"title": "A, b", "badge": 3},
            "ttl": 60,
            "apns": {"push_type": "alert"},
        },
    )
    assert second == SourceLine("in.csv:3", {"to": {"apns": {"token": "9f"}}, "payload_json": b'{"aps":{}}'})


def test_csv_rows_may_go_to_any_provider():
    printed = '"{""endpoint"":""https://x/1"",""expirationTime"":null,""keys"":{""p256dh"":""B"",""auth"":""a""}}"'
    lines = [
        "token,fcm_token,fcm_topic,vapid_key,subscription,endpoint,p256dh,auth\n",
        "9f,,,,,,,\n",
        ",c8:x,,,,,,\n",
        ",,news,,,,,\n",
        f",,,2026,{printed},,,\n",
        ",,,,,https://x/2,B,a\n",
    ]
    rows = list(read_csv(lines, "in.csv"))
    assert [row.notification["to"] for row in rows] == [
        {"apns": {"token": "9f"}},
        {"fcm": {"token": "c8:x"}},
        {"fcm": {"topic": "news"}},
        {
            "webpush": {
                "vapid_key": "2026",
                "endpoint": "https://x/1",
                "expirationTime": None,
                "keys": {"p256dh": "B", "auth": "a"},
            }
        },
        {"webpush": {"endpoint": "https://x/2", "keys": {"p256dh": "B", "auth": "a"}}},
    ]


@pytest.mark.parametrize("cell", ["secret", "[1]", '"{""endpoint"":"', "[" * 50_000])
def test_a_cell_that_is_no_subscription_is_named_and_never_repeated(cell: str):
    (fault,) = read_csv(["subscription\n", f"{cell}\n"], "in.csv")
    assert isinstance(fault, LineFault)
    assert fault.detail == "subscription: not a JSON object as browsers print subscriptions"


def test_ndjson_lines_may_go_to_any_provider():
    lines = ['{"to": {"fcm": {"condition": "\'a\' in topics"}}}', '{"to": {"webpush": {"endpoint": "https://x"}}}']
    good, bad = read_ndjson(lines, "in")
    assert isinstance(good, SourceLine)
    assert bad == LineFault("in:2", "to.webpush.keys: this field is required")


def test_a_payload_of_other_bytes_is_base64():
    to = '"to": {"webpush": {"endpoint": "https://x", "keys": {"p256dh": "B", "auth": "a"}}}'
    good, *bad = read_ndjson([f'{{{to}, "payload": {{"base64": {text}}}}}' for text in ('"AAE="', '"A"', "1")], "in")
    assert good.notification["payload_bytes"] == b"\x00\x01"
    assert [fault.detail for fault in bad] == ["payload.base64: not base64"] * 2


def test_what_a_line_tracks_reaches_the_gateway_as_bytes():
    good, bad = read_ndjson([f'{{"to": {{}}, "track": "{text}"}}' for text in ("AAE=", "AAE")], "in")
    assert good.notification["track"] == b"\x00\x01"
    assert bad == LineFault("in:2", "track: not base64")


@pytest.mark.parametrize(("row", "detail"), [("9f,x", "ttl: not a whole number"), ("9f", "1 cells"), (",5", "to: ")])
def test_a_bad_row_is_named_and_the_others_go_on(row: str, detail: str):
    _, fault, last = read_csv(["token,ttl\n", "9f,1\n", f"{row}\n", "9f,2\n"], "in.csv")
    assert isinstance(fault, LineFault)
    assert (fault.place, isinstance(last, SourceLine)) == ("in.csv:3", True)
    assert detail in fault.detail


@pytest.mark.parametrize(
    ("header", "what"),
    [
        ("token,bogus\n", "unknown column 2"),
        ("id,vapid_key\n", "no column with an address"),
        ("", "no column with an address"),
    ],
)
def test_a_header_that_cannot_be_used_is_refused_at_once(header: str, what: str):
    with pytest.raises(HeaderError, match=what):
        read_csv([header] if header else [], "in.csv")


def test_a_forgotten_csv_header_does_not_put_a_device_token_into_the_error():
    with pytest.raises(HeaderError) as refusal:
        read_csv(["9fcafe,n1\n"], "in.csv")
    assert str(refusal.value).startswith("in.csv:1: unknown column 1, 2; ")
    assert "9fcafe" not in str(refusal.value)


CASES = [
    (
        b'{"id":"b","to":{"apns":{"token":"9f"}},"content":{"title":"cut \\ud83d"}}',
        "content.title: half of a character",
    ),
    (b'{"to":{"apns":{"token":"9f"}},"payload":{"aps":{"alert":"\\udc00"}}}', "payload.aps.alert: half of a character"),
    (b'{"to":{"apns":{"token":"9f"}},"content":{"data":{"\\ud83d":"x"}}}', "content.data: half of a character"),
    (b'{"to":{"apns":{"token":"9f"}},"content":{"title":"caf\xe9"}}', "not UTF-8 at character 54"),
    (b'{"to":{"apns":{"token":"9f"}},"payload":{"x":NaN}}', "not JSON: NaN is no JSON number"),
    (b'{"to":{"apns":{"token":"9f"}},"content":{"title":"' + b"x" * 2**20 + b'"}}', "longer than 1,048,576 characters"),
    (b'{"to":{"apns":{"token":"9f"}},"urgency":"soon"}', "urgency: not one of high, low, normal"),
    (b'{"to":{"apns":{"token":"9f"}},"not_before":"2026-12-01T09:00"}', "not_before: a time without a zone"),
    (b'{"to":{"apns":{"token":"9f"}},"expires_at":"tomorrow"}', "expires_at: not a moment: expected UNIX milliseconds"),
    (
        b'{"to":{"webpush":{"endpoint":"e","keys":{"p256dh":"B","auth":"a"},"expirationTime":1'
        + b"0" * 30
        + b'}},"ttl":1}',
        "a number has more than 64 bits",
    ),
]


def read_bytes(data: bytes) -> io.BufferedReader:
    return io.BufferedReader(io.BytesIO(data))


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize(("line", "detail"), CASES)
def test_a_line_that_is_no_text_or_no_notification_is_named_and_the_others_go_on(line: bytes, detail: str, end: bytes):
    good = b'{"to":{"apns":{"token":"9f"}}}'
    data = codecs.BOM_UTF8 + end.join([good, line, good, b""])
    first, fault, last = read_ndjson(read_lines(read_bytes(data)), "in")
    assert (first.place, fault.place, last.place) == ("in:1", "in:2", "in:3")
    assert [type(each) for each in (first, fault, last)] == [SourceLine, LineFault, SourceLine]
    assert fault.detail.startswith(detail)


@pytest.mark.parametrize(
    ("row", "detail"),
    [
        (b"9f,caf\xe9,1", "not UTF-8 at character 7"),
        (b'9f,"never closed,1', "a quote is never closed"),
        (b'9f,"a"b,1', "',' expected after"),
        (b"9f,a", "2 cells, the header has 3"),
        (b"9f," + b"x" * 2**20 + b",1", "longer than 1,048,576 characters"),
        (b"9f,a,2026-12-01", "not_before: a time without a zone"),
        (b"9f,a,soon", "not_before: not a moment"),
    ],
)
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_a_row_that_is_no_text_or_no_notification_is_named_and_the_others_go_on(row: bytes, detail: str, end: bytes):
    data = codecs.BOM_UTF8 + end.join([b"token,title,not_before", b"9f,a,1", row, b'9f,"b",2', b"9f,c,3", b""])
    first, fault, *others = read_csv(read_lines(read_bytes(data)), "in")
    assert (fault.place, isinstance(fault, LineFault)) == ("in:3", True)
    assert fault.detail.startswith(detail)
    assert [each.notification["content"]["title"] for each in (first, *others)] == ["a", "b", "c"]
    assert [each.place for each in (first, *others)] == ["in:2", "in:4", "in:5"]


def test_a_cell_may_span_lines_and_its_row_is_named_by_the_first():
    rows = list(read_csv(["token,title\n", '9f,"a\n', 'b"\n', "9f\n", "9f,c\n"], "in"))
    assert [each.place for each in rows] == ["in:2", "in:4", "in:5"]
    assert rows[0].notification["content"]["title"] == "a\nb"


@pytest.mark.parametrize("order", ["utf-16-le", "utf-16-be"])
def test_utf_16_is_known_by_its_byte_order_mark(order: str):
    data = "\ufefftoken,title\r\n9f,café 😀\r\n".encode(order)
    (row,) = read_csv(read_lines(read_bytes(data)), "in")
    assert row.notification["content"]["title"] == "café 😀"
    *_, fault = read_csv(read_lines(read_bytes(data + b"\0")), "in")
    assert fault == LineFault("in:3", "not UTF-8 at character 1: save it as UTF-8")


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("1780000000000", 1_780_000_000_000),
        ("2026-12-01T09:00:00Z", 1_796_115_600_000),
        ("2026-12-01T10:00+01:00", 1_796_115_600_000),
        ("20261201T090000.250Z", 1_796_115_600_250),
    ],
)
def test_moments_are_milliseconds_or_iso_8601_with_a_zone(text: str, moment: int):
    assert parse_moment(text) == moment
    line = json.dumps(
        {"to": {}, "not_before": text, "expires_at": text, "apns": {"expiration": "2026-12-01T09:00:00Z"}}
    )
    (row,) = read_ndjson([line], "in")
    assert (row.notification["not_before"], row.notification["expires_at"]) == (moment, moment)
    assert row.notification["apns"] == {"expiration": 1_796_115_600}


def test_a_latin_1_row_of_a_file_with_apns_tokens_costs_itself_alone():
    rows = list(read_csv(read_lines(read_bytes(b"id,apns_token,title\na,01,x\nb,02,caf\xe9\nc,03,y\n")), "in"))
    assert [(each.place, isinstance(each, SourceLine)) for each in rows] == [
        ("in:2", True),
        ("in:3", False),
        ("in:4", True),
    ]
    assert rows[0].notification["to"] == {"apns": {"token": "01"}}
