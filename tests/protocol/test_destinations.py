"""What a dead token is called is what its caller wrote."""

import pytest

from protocol.destinations import name_destination
from protocol.lanes import apns_lane, fcm_lane, webpush_lane
from protocol.providers.apns.addresses import read_address as read_apns_address
from protocol.providers.fcm.addresses import read_address as read_fcm_address
from protocol.send.fields import ApnsTarget, FcmTarget


@pytest.mark.parametrize("token", ["9f" * 32, "AB" * 40])
def test_a_device_token_is_lower_case_hex(token):
    stored = read_apns_address(ApnsTarget(token=token))[1]
    assert name_destination(apns_lane("shop", "production"), stored) == token.lower()


def test_a_channel_is_its_id():
    stored = read_apns_address(ApnsTarget(channel="dHN0LXNyY2gtY2hubA=="))[1]
    assert name_destination(apns_lane("shop", "production", broadcast=True), stored) == "dHN0LXNyY2gtY2hubA=="


@pytest.mark.parametrize(("kind", "topics"), [("token", False), ("fid", False), ("topic", True)])
def test_an_fcm_address_is_its_value(kind, topics):
    stored = read_fcm_address(FcmTarget(**{kind: "c8-APA91"}))[1]
    assert name_destination(fcm_lane("shop", "shop-1", topics=topics), stored) == "c8-APA91"


@pytest.mark.parametrize("origin", ["https://updates.push.services.mozilla.com", "https://localhost:4711"])
def test_a_web_push_endpoint_is_origin_and_path(origin):
    stored = bytes(65) + bytes(16) + b"/wpush/v2/gAAA?k=1"
    assert name_destination(webpush_lane("shop", origin), stored) == f"{origin}/wpush/v2/gAAA?k=1"
