"""HTTP/1.1 without its socket: what a request looks like, and what becomes of every kind of answer."""

import h11
import pytest

from gateway.delivery.sessions.http1_messages import (
    BODY_LIMIT_BYTES,
    HEADERS_LIMIT_BYTES,
    BrokenAnswerError,
    Http1Messages,
    WholeAnswer,
)
from native import HeaderSet
from protocol.exchanges import Cause
from protocol.requests import RequestColumns

NO_HEADERS = HeaderSet(())
COLUMNS = RequestColumns(
    paths=[b"/push/0?token=%2b", b"/push/1"],
    bodies=[b"first body", b""],
    body_of_row=None,
    header_sets=[((b"urgency", b"high", True),), ((b"urgency", b"low", True),)],
    header_set_of_row=[1, 0],
    uuid_header_name=None,
    uuid_numbers=None,
    row_fields=[(b"ttl", [b"60", b"30"]), (b"topic", [None, b"news"])],
)
CREATED = b"HTTP/1.1 201 Created\r\nLocation: /m/1\r\nContent-Length: 2\r\n\r\nok"


def asked(row=0):
    messages = Http1Messages(b"push.example.org:8443")
    messages.write(COLUMNS, row, NO_HEADERS)
    return messages


def feed_all(messages, data, size):
    answers = [messages.feed(data[at : at + size]) for at in range(0, len(data), size)]
    assert not any(answers[:-1])
    return answers[-1]


def read_request(data):
    server = h11.Connection(h11.SERVER)
    server.receive_data(data)
    request = server.next_event()
    body = b""
    while isinstance(event := server.next_event(), h11.Data):
        body += event.data
    assert isinstance(event, h11.EndOfMessage)
    return request, body


def test_a_row_is_a_whole_request_with_its_own_fields_and_those_that_all_share():
    shared = HeaderSet([(b"authorization", b"bearer t", True)])
    request, body = read_request(Http1Messages(b"push.example.org:8443").write(COLUMNS, 0, shared))
    assert (request.method, request.target, body) == (b"POST", b"/push/0?token=%2b", b"first body")
    assert request.headers == [
        (b"host", b"push.example.org:8443"),
        (b"content-length", b"10"),
        (b"authorization", b"bearer t"),
        (b"urgency", b"low"),
        (b"ttl", b"60"),
    ]


def test_a_row_without_a_body_says_so_and_has_the_fields_that_the_other_lacks():
    request, body = read_request(Http1Messages(b"x").write(COLUMNS, 1, NO_HEADERS))
    assert (body, list(request.headers)[1:]) == (
        b"",
        [(b"content-length", b"0"), (b"urgency", b"high"), (b"ttl", b"30"), (b"topic", b"news")],
    )


def test_rows_that_share_a_body_name_it_by_number():
    columns = RequestColumns(
        paths=[b"/a", b"/b"],
        bodies=[b"shared"],
        body_of_row=[0, 0],
        header_sets=[],
        header_set_of_row=None,
        uuid_header_name=None,
        uuid_numbers=None,
        row_fields=[],
    )
    assert read_request(Http1Messages(b"x").write(columns, 1, NO_HEADERS))[1] == b"shared"


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (CREATED, WholeAnswer(201, ((b"location", b"/m/1"), (b"content-length", b"2")), b"ok")),
        (
            b"HTTP/1.1 410 Gone\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n",
            WholeAnswer(410, ((b"transfer-encoding", b"chunked"),), b"abcd"),
        ),
        (b"HTTP/1.1 204 No Content\r\n\r\n", WholeAnswer(204, (), b"")),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + CREATED, None),
        (b"HTTP/1.1 301 Moved\r\nLocation: https://127.0.0.1/\r\nContent-Length: 0\r\n\r\n", None),
    ],
    ids=["length", "chunked", "no_body", "after_others", "redirect"],
)
def test_an_answer_is_whole_with_its_last_byte(data, expected, size):
    messages = asked()
    answer = feed_all(messages, data, size)
    if expected is not None:
        assert answer == expected
    assert (answer.status, messages.can_go_on) == (int(data.rpartition(b"HTTP/1.1 ")[2][:3]), True)


def test_the_next_request_has_nothing_of_the_answer_before():
    messages = asked()
    messages.feed(CREATED)
    messages.write(COLUMNS, 1, NO_HEADERS)
    assert messages.status == 0
    assert messages.feed(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n") == WholeAnswer(
        404, ((b"content-length", b"0"),), b""
    )


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 201 Created\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.0 201 Created\r\nContent-Length: 0\r\n\r\n",
        CREATED + b"HTTP/1.1 408 Request Timeout\r\n\r\n",
    ],
    ids=["close", "http_1_0", "more_than_asked"],
)
def test_a_connection_is_not_used_again_after(data):
    messages = asked()
    assert messages.feed(data).status == 201
    assert not messages.can_go_on


def test_an_answer_may_end_with_the_connection():
    messages = asked()
    assert messages.feed(b"HTTP/1.1 500 Oops\r\n\r\nwhy") is None
    assert messages.feed(b"") == WholeAnswer(500, (), b"why")
    assert not messages.can_go_on


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (b"SSH-2.0-OpenSSH\r\n\r\n", Cause.MALFORMED_RESPONSE),
        (b"HTTP/1.1 201 Created\r\nContent-Length: -1\r\n\r\n", Cause.MALFORMED_RESPONSE),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", Cause.MALFORMED_RESPONSE),
        (b"HTTP/1.1 103 Early Hints\r\nx: " + b"y" * HEADERS_LIMIT_BYTES, Cause.RESPONSE_TOO_LARGE),
        (b"HTTP/1.1 201" + b"y" * (HEADERS_LIMIT_BYTES + 1), Cause.RESPONSE_TOO_LARGE),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n" * 600, Cause.RESPONSE_TOO_LARGE),
    ],
    ids=["no_http", "bad_length", "switching", "endless_hint", "endless_status", "hints"],
)
@pytest.mark.parametrize("size", [1000, 1_000_000])
def test_an_answer_that_breaks_the_rules_or_the_bounds_is_given_up(data, cause, size):
    with pytest.raises(BrokenAnswerError) as broken:
        feed_all(asked(), data, size)
    assert broken.value.cause is cause


@pytest.mark.parametrize("data", [b"", b"HTTP/1.1 201 Cre", b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\no"])
def test_an_answer_that_the_end_cuts_off_is_lost_with_the_link(data):
    messages = asked()
    if data:
        assert messages.feed(data) is None
    with pytest.raises(BrokenAnswerError) as broken:
        messages.feed(b"")
    assert broken.value.cause is Cause.LINK_LOST


@pytest.mark.parametrize(
    "rest",
    [
        b"x: " + b"y" * (HEADERS_LIMIT_BYTES - 30) + b"\r\n\r\n",
        b"Content-Length: 99999999\r\n\r\n" + b"y" * (BODY_LIMIT_BYTES + 1),
        b"\r\n" + b"y" * (BODY_LIMIT_BYTES + 1),
        b"x: " + b"y" * (HEADERS_LIMIT_BYTES + 1),
        b"x: y\r\n" * 2800,
        b"Transfer-Encoding: chunked\r\n\r\n1;x=" + b"y" * (HEADERS_LIMIT_BYTES + 1),
        b"Transfer-Encoding: chunked\r\n\r\n0\r\nx: " + b"y" * (HEADERS_LIMIT_BYTES + 1),
    ],
    ids=["long_header", "long_body", "endless_body", "endless_header", "endless_headers", "chunk", "trailer"],
)
def test_an_answer_above_its_bounds_counts_by_its_status(rest):
    messages = asked()
    answer = feed_all(messages, b"HTTP/1.1 410 Gone\r\n" + rest, 1000)
    assert (answer.status, answer.body) == (410, b"")
    assert not messages.can_go_on
