"""What the gateway tells operators when it starts with settings that widen its reach."""

import msgspec
import structlog.testing

from gateway.config import (
    AppSettings,
    Config,
    EgressSettings,
    JournalSettings,
    ListenSettings,
    WebPushAppSettings,
    WebPushSettings,
    find_risks,
)
from gateway.delivery.credentials import create_vapid_key_file
from protocol.providers.webpush import Service
from tests.support.gateway import open_gateway


def make_config(folder, **webpush):
    file = folder / "vapid.pem"
    create_vapid_key_file(file)
    app = WebPushAppSettings(subject="mailto:push@example.org", vapid_key_file=str(file))
    return Config(
        journal=JournalSettings(engine="memory"),
        listen=ListenSettings(socket=(f"unix:{folder / 'gateway.sock'}",)),
        webpush=WebPushSettings(**webpush),
        apps={"shop": AppSettings(webpush=app)},
    )


async def find_warnings(config):
    with structlog.testing.capture_logs() as events:
        async with open_gateway(config):
            pass
    return [event["setting"] for event in events if event["event"] == "setting_widens_reach"]


async def test_a_wider_reach_is_warned_of_at_every_start(tmp_path):
    config = make_config(tmp_path, allowed_hosts={"push.example.org": Service.OTHER}, allowed_networks=("127.0.0.0/8",))
    assert await find_warnings(config) == ["webpush.allowed_hosts", "webpush.allowed_networks"]


async def test_any_public_host_is_warned_of_and_more_so_where_a_proxy_looks_names_up(tmp_path):
    config = make_config(tmp_path, hosts="public")
    assert await find_warnings(config) == ["webpush.hosts"]
    through = EgressSettings(proxy="http://localhost:1")
    told = [
        "egress.lookups" in find_risks(msgspec.structs.replace(config, egress=egress))[0].detail
        for egress in (EgressSettings(), through, msgspec.structs.replace(through, lookups="here"))
    ]
    assert told == [False, True, False]


async def test_the_usual_reach_is_not_warned_of(tmp_path):
    assert await find_warnings(make_config(tmp_path)) == []
