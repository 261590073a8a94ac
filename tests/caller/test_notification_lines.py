import pytest

from gateway.caller import HeaderError, LineFault, SourceLine, read_csv, read_ndjson


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
