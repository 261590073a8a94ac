"""FCM's own options: where each stands in the request, what goes before them, and that FCM would take it."""

import msgspec
import pytest

from protocol.chunks import Chunk
from protocol.preparation import Rejection
from protocol.providers.fcm import FcmFacts, build_requests
from protocol.reasons import Reason
from tests.support.fcm_sender import FcmRules
from tests.support.sends import ACCEPTED_AT_MS, FCM_SHOP, PreparedRow, prepare, prepare_fcm

CONTENT = {"title": "Sale"}


def request_of(row: PreparedRow | Rejection) -> dict:
    """Return the request of a row at the moment of its acceptance, which the simulator has taken."""
    assert isinstance(row, PreparedRow), row
    chunk = Chunk(
        lane=row.lane,
        queue=row.queue,
        indexes=[0, 1],
        destinations=[row.destination],
        bodies=[row.body],
        variants=[row.variant],
    )
    (body,) = build_requests(chunk, FcmFacts(project_id="shop-1"), ACCEPTED_AT_MS).bodies
    request = msgspec.json.decode(body)
    judgement = FcmRules().judge(request["message"], validate_only=request.get("validate_only"))
    assert judgement.answer.status == 200
    return request


def send(options, **notification) -> dict:
    return request_of(prepare_fcm(**{"content": CONTENT, "fcm": options} | notification))


@pytest.mark.parametrize(
    ("options", "section", "expected"),
    [
        ({"priority": "high"}, "android", {"priority": "HIGH"}),
        ({"priority": "normal"}, "android", {"priority": "NORMAL"}),
        ({"collapse_key": "sale"}, "android", {"collapse_key": "sale"}),
        ({"restricted_package_name": "com.example.shop"}, "android", {"restricted_package_name": "com.example.shop"}),
        ({"direct_boot_ok": True}, "android", {"direct_boot_ok": True}),
        ({"bandwidth_constrained_ok": True}, "android", {"bandwidth_constrained_ok": True}),
        ({"restricted_satellite_ok": False}, "android", {"restricted_satellite_ok": False}),
        ({"analytics_label": "spring-1"}, "fcm_options", {"analytics_label": "spring-1"}),
    ],
)
def test_each_option_has_its_place(options, section, expected):
    message = send(options)["message"]
    assert message[section].items() >= expected.items()
    plain = send({})["message"]
    assert message != plain
    assert "validate_only" not in send(options)


def test_options_go_before_the_portable_ones_and_reach_the_iphone_too():
    message = send({"priority": "high", "collapse_key": "mine"}, urgency="low", collapse="theirs")["message"]
    assert (message["android"]["priority"], message["android"]["collapse_key"]) == ("HIGH", "mine")
    assert message["apns"]["headers"].items() >= {"apns-priority": "10", "apns-collapse-id": "mine"}.items()


@pytest.mark.parametrize("section", ["android", "android_v2"])
def test_what_a_message_of_ones_own_says_goes_before_the_options(section):
    own = {section: {"collapse_key": "own", "direct_boot_ok": False}, "fcm_options": {"analytics_label": "own"}}
    options = {"collapse_key": "x", "direct_boot_ok": True, "analytics_label": "x", "restricted_satellite_ok": True}
    message = send(options, content=None, payload_json=msgspec.json.encode(own))["message"]
    assert message[section].items() >= (own[section] | {"restricted_satellite_ok": True}).items()
    assert message["fcm_options"] == {"analytics_label": "own"}


@pytest.mark.parametrize(("wanted", "found"), [(True, True), (False, None), (None, None)])
@pytest.mark.parametrize("address", [{"token": "c8:x"}, {"topic": "news"}])
def test_a_message_can_be_checked_without_being_delivered(address, wanted, found):
    assert send({"validate_only": wanted}, to={"fcm": address}).get("validate_only") is found
    own = send({"validate_only": wanted}, content=None, payload_json=b'{"data":{"a":"b"}}', to={"fcm": address})
    assert (own.get("validate_only"), own["message"]["data"]) == (found, {"a": "b"})


def test_options_of_the_batch_are_filled_in_and_rows_that_differ_share_no_body():
    defaults = {"fcm": {"analytics_label": "spring", "validate_only": True}}
    to = {"fcm": {"token": "c8:x"}}
    rows = [{"to": to}, {"to": to, "fcm": {"validate_only": False}}, {"to": to, "fcm": {"priority": "high"}}]
    prepared, _ = prepare(FCM_SHOP, content=CONTENT, defaults=defaults, notifications=rows)
    requests = [request_of(row) for row in prepared]
    assert [request.get("validate_only") for request in requests] == [True, None, True]
    assert [request["message"]["fcm_options"]["analytics_label"] for request in requests] == ["spring"] * 3
    assert [request["message"]["android"].get("priority") for request in requests] == [None, None, "HIGH"]


@pytest.mark.parametrize(
    ("options", "reason", "field"),
    [
        ({"analytics_label": "a b"}, Reason.INVALID_OPTION, "fcm.analytics_label"),
        ({"analytics_label": "x" * 51}, Reason.INVALID_OPTION, "fcm.analytics_label"),
        ({"restricted_package_name": "com. example"}, Reason.INVALID_OPTION, "fcm.restricted_package_name"),
        ({"priority": "low"}, Reason.INVALID_OPTION, "fcm.priority"),
        ({"validate_only": "yes"}, Reason.INVALID_OPTION, "fcm.validate_only"),
        ({"direct_boot_ok": 1}, Reason.INVALID_OPTION, "fcm.direct_boot_ok"),
        ({"collapse_key": ""}, Reason.INVALID_OPTION, "fcm.collapse_key"),
        ({"ttl": "3600s"}, Reason.UNKNOWN_FIELD, "fcm.ttl"),
    ],
)
def test_what_fcm_would_refuse_rejects_its_row(options, reason, field):
    row = prepare_fcm(content=CONTENT, fcm=options)
    assert isinstance(row, Rejection)
    assert (row.reason, row.field) == (reason, field)
