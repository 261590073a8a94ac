"""FCM rows of a batch: addresses, lanes, and what they share."""

import pytest

from protocol.chunks import Variant
from protocol.lanes import fcm_lane, is_topics
from protocol.preparation import AppFacts, Rejection
from protocol.providers.fcm import FcmFacts
from protocol.reasons import Reason
from tests.support.sends import ACCEPTED_AT_MS, FCM_SHOP, SHOP, TOKEN, PreparedRow, prepare, prepare_fcm, prepare_one

CONTENT = {"title": "Sale"}
TARGET = {"fcm": {"token": "c8:x"}}


def rejected(**notification) -> tuple[Reason, str | None]:
    row = prepare_fcm(**{"content": CONTENT} | notification)
    assert isinstance(row, Rejection), row
    return row.reason, row.field


def test_a_row_carries_what_its_chunk_needs():
    row = prepare_fcm(
        content=CONTENT, id="n1", track=b"t", cancel_keys=["k"], ttl=60, urgency="low", on_unknown="report"
    )
    assert isinstance(row, PreparedRow)
    assert (row.index, row.lane, row.queue, row.destination) == (0, "shop/fcm/shop-1", 2, b"token:c8:x")
    assert (row.id, row.track, row.cancel_keys) == ("n1", b"t", ["k"])
    assert row.variant == Variant(expires_at_ms=ACCEPTED_AT_MS + 60_000, report_unknown=True)


@pytest.mark.parametrize(
    ("address", "destination", "lane"),
    [
        (
            {"token": "fGci:APA91bHun4MxP5egoKMwt2KZFBaFUH-1RYqx"},
            b"token:fGci:APA91bHun4MxP5egoKMwt2KZFBaFUH-1RYqx",
            "",
        ),
        ({"fid": "cRx-9_aaaaaaaaaaaaaaaa"}, b"fid:cRx-9_aaaaaaaaaaaaaaaa", ""),
        ({"topic": "news-1_a.b~c%"}, b"topic:news-1_a.b~c%", "/topics"),
        ({"topic": "n" * 900}, b"topic:" + b"n" * 900, "/topics"),
        ({"condition": "'a' in topics"}, b"condition:'a' in topics", "/topics"),
    ],
)
def test_each_way_to_address_has_its_destination_and_lane(address, destination, lane):
    row = prepare_fcm(content=CONTENT, to={"fcm": address})
    assert isinstance(row, PreparedRow)
    assert (row.destination, row.lane) == (destination, f"shop/fcm/shop-1{lane}")
    assert is_topics(row.lane) is bool(lane)


def test_a_project_may_be_called_topics():
    assert not is_topics(fcm_lane("shop", "topics"))
    assert is_topics(fcm_lane("shop", "topics", topics=True))


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ({}, ""),
        ({"token": "a", "fid": "b"}, ""),
        ({"topic": "a", "condition": "'a' in topics"}, ""),
        ({"token": 'a"b'}, ".token"),
        ({"token": "a\\b"}, ".token"),
        ({"token": "a b"}, ".token"),
        ({"token": "é"}, ".token"),
        ({"fid": "a\n"}, ".fid"),
        ({"topic": "/topics/news"}, ".topic"),
        ({"topic": "n" * 901}, ".topic"),
        ({"topic": "ä"}, ".topic"),
        ({"condition": "news"}, ".condition"),
    ],
)
def test_an_address_of_another_form_is_rejected_with_its_place(address, place):
    assert rejected(to={"fcm": address}) == (Reason.INVALID_TOKEN, f"to.fcm{place}")


@pytest.mark.parametrize(
    "condition",
    [
        "'a' in topics && 'b' in topics",
        "'a' in topics && ('b' in topics || 'c' in topics)",
        "!('a' in topics)",
        "!'a' in topics||(('b' in topics))",
        " 'a' in topics ",
        "'a' in topics || 'b' in topics || 'c' in topics || 'd' in topics || 'e' in topics",
    ],
)
def test_conditions_that_can_be_read_are_taken(condition):
    assert isinstance(prepare_fcm(content=CONTENT, to={"fcm": {"condition": condition}}), PreparedRow)


@pytest.mark.parametrize(
    "condition",
    [
        " ",
        "'a'",
        "'a' in topicsx",
        "a in topics",
        "'a' in topics &&",
        "&& 'a' in topics",
        "'a' in topics 'b' in topics",
        "'a' in topics & 'b' in topics",
        "('a' in topics",
        "'a' in topics)",
        "()",
        "'a' in topics !",
        "'a\"' in topics",
        "'a' in topics ('b' in topics)",
        "'a' in topics\n&& 'b' in topics",
        " || ".join(f"'{letter}' in topics" for letter in "abcdef"),
    ],
)
def test_conditions_that_cannot_be_read_are_rejected(condition):
    assert rejected(to={"fcm": {"condition": condition}}) == (Reason.INVALID_TOKEN, "to.fcm.condition")


def test_an_app_without_fcm_cannot_send_to_it():
    row = prepare_one(SHOP, content=CONTENT, to=TARGET)
    assert isinstance(row, Rejection)
    assert (row.reason, row.field) == (Reason.NOT_SUPPORTED, "to.fcm")


def test_an_app_with_fcm_alone_sends_to_it():
    facts = AppFacts(name="shop", fcm=FcmFacts(project_id="shop-1"))
    assert isinstance(prepare_one(facts, content=CONTENT, to=TARGET), PreparedRow)


def test_a_second_address_beside_it_is_one_too_many():
    assert rejected(to=TARGET | {"apns": {"token": TOKEN}}) == (Reason.INVALID_TOKEN, "to")


@pytest.mark.parametrize(
    ("notification", "reason", "field"),
    [
        ({"content": None}, Reason.INVALID_PAYLOAD, "content"),
        ({"payload_json": b"{}"}, Reason.INVALID_PAYLOAD, "payload_json"),
        ({"content": None, "payload_bytes": b"x"}, Reason.INVALID_PAYLOAD, "payload_bytes"),
        ({"ttl": 5, "expires_at": ACCEPTED_AT_MS + 1}, Reason.INVALID_OPTION, "expires_at"),
        ({"cancel_keys": ["é" * 33]}, Reason.INVALID_OPTION, "cancel_keys"),
    ],
)
def test_what_cannot_be_sent_is_rejected_alone(notification, reason, field):
    assert rejected(**notification) == (reason, field)


def test_one_content_goes_to_both_providers_each_in_its_own_words_and_passing_over_the_others_options():
    defaults = {"apns": {"priority": 5}, "fcm": {}}
    targets = [TARGET, {"apns": {"token": TOKEN}}, TARGET | {"id": "x"}]
    prepared, rejections = prepare(FCM_SHOP, content=CONTENT, defaults=defaults, targets=targets)
    assert not rejections
    assert [row.lane for row in prepared] == ["shop/fcm/shop-1", "shop/apns/production", "shop/fcm/shop-1"]
    assert prepared[0].body is prepared[2].body
    assert prepared[1].body == b'{"aps":{"alert":{"title":"Sale"}}}'
    for name in ("lane", "body", "variant"):
        assert getattr(prepared[0], name) is getattr(prepared[2], name)


def test_rows_with_other_options_never_share_a_body_that_tells_of_them():
    notifications = [{"to": TARGET}, {"to": TARGET, "urgency": "high"}, {"to": TARGET, "queue": "urgent"}]
    (plain, urgent, queued), _ = prepare(FCM_SHOP, content=CONTENT, notifications=notifications)
    assert plain.body == queued.body
    assert plain.body != urgent.body
    assert (plain.queue, urgent.queue, queued.queue) == (1, 0, 0)


def test_more_distinct_options_than_are_remembered_are_prepared_all_the_same():
    notifications = [{"to": TARGET, "collapse": f"c{number}"} for number in range(1001)]
    prepared, rejections = prepare(FCM_SHOP, content=CONTENT, notifications=notifications)
    assert not rejections
    assert len({row.body for row in prepared}) == 1001


@pytest.mark.parametrize("project_id", ["", "Shop", "shop/1", "shop 1", "a" * 129])
def test_a_project_that_cannot_stand_in_a_path_is_no_project(project_id):
    with pytest.raises(ValueError, match="project"):
        FcmFacts(project_id=project_id)


def test_a_shared_payload_of_other_bytes_than_json_is_not_for_fcm():
    _, (rejection,) = prepare(FCM_SHOP, payload_bytes=b"x", targets=[TARGET])
    assert (rejection.reason, rejection.field) == (Reason.INVALID_PAYLOAD, "payload_bytes")
