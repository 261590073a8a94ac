"""What the gateway tells operators when it starts with settings that widen its reach."""

import structlog.testing

from gateway.config import AppSettings, Config, JournalSettings, ListenSettings, WebPushAppSettings, WebPushSettings
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


async def test_the_usual_reach_is_not_warned_of(tmp_path):
    assert await find_warnings(make_config(tmp_path)) == []
