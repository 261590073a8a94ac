"""All that goes out goes through the proxy: APNs, FCM and its token endpoint, Web Push over HTTP/2 and HTTP/1.1."""

import re
from collections import Counter
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest
import structlog.testing
import trio

from bench.simulators.apns import open_apns_simulator
from bench.simulators.fcm import open_fcm_simulator
from bench.simulators.webpush import open_webpush_simulator
from tests.support.connect_proxy import LOGIN, open_connect_proxy
from tests.support.connects import recording_connects
from tests.support.debian_proxies import PROXIES, find_missing, login_for, run_debian_proxy
from tests.support.gateway import device_tokens, fcm_sections, open_shop, webpush_sections

SERVICES = ("mozilla", "fcm", "apple", "wns", "other")
CONTENT = {"title": "Sale"}


@asynccontextmanager
async def open_providers(folder, **egress):
    """All three simulators, and a gateway that sends to them through a proxy."""
    async with open_apns_simulator() as apns, open_fcm_simulator() as fcm, open_webpush_simulator() as webpush:
        sections = fcm_sections(fcm) | webpush_sections(webpush) | {"egress": egress}
        # The token endpoint has FCM's port, by another name.
        servers = {f"localhost:{port}" for port in (apns.port, fcm.port, *webpush.ports.values())}
        servers.add(urlsplit(fcm.token_uri).netloc)
        targets = [{"apns": {"token": token}} for token in device_tokens(5)]
        targets += [{"fcm": {"token": f"registration-token-of-some-length:{number}"}} for number in range(5)]
        for service in SERVICES:
            line = webpush.make_subscription(service, 0)
            targets.append({"webpush": {**line["subscription"], "vapid_key": line["vapid_key"]}})
        async with open_shop(folder, apns, **sections) as shop:
            yield shop, targets, servers


def write_login(folder, text=LOGIN):
    path = folder / "login"
    path.write_text(text)
    return str(path)


async def send_all(shop, targets):
    await shop.send({"app": "shop", "content": CONTENT, "targets": targets})
    results = await shop.read_results(len(targets))
    assert Counter(result.outcome for result in results) == {"provider_accepted": len(targets)}


async def wait_for_events(events, names):
    while names - {event["event"] for event in events}:  # noqa: ASYNC110 - a log wakes nobody
        await trio.sleep(0.02)


@pytest.mark.parametrize("is_encrypted", [False, True])
async def test_everything_goes_through_the_proxy(tmp_path, is_encrypted):
    async with open_connect_proxy(tmp_path if is_encrypted else None) as proxy:
        proxy.login = LOGIN
        egress = {"proxy": proxy.url, "proxy_login_file": write_login(tmp_path)}
        egress |= {"ca_file": str(tmp_path / "proxy-ca.pem")} if is_encrypted else {}
        with recording_connects() as connects:
            async with open_providers(tmp_path, **egress) as (shop, targets, servers):
                connects.clear()
                await send_all(shop, targets)
    assert set(proxy.targets) == servers
    # A connect to the proxy for each that the proxy makes, and none beside them.
    assert len(connects) <= proxy.connections + proxy.opened


async def test_hosts_of_no_proxy_are_connected_to_directly(tmp_path):
    excepted = ["localhost", "127.0.0.0/8"]
    async with (
        open_connect_proxy() as proxy,
        open_providers(tmp_path, proxy=proxy.url, no_proxy=excepted) as (shop, targets, _),
    ):
        await send_all(shop, targets)
    assert proxy.connections == 0


async def test_a_proxy_that_refuses_delays_and_is_told_and_work_goes_on_when_it_relents(tmp_path):
    async with open_connect_proxy() as proxy:
        proxy.answer(403)
        with structlog.testing.capture_logs() as events:
            async with open_providers(tmp_path, proxy=proxy.url) as (shop, targets, _):
                await shop.send({"app": "shop", "content": CONTENT, "targets": targets})
                told = {"session_failed", "access_token_unavailable"}
                await wait_for_events(events, told)
                proxy.answers.clear()
                results = await shop.read_results(len(targets))
    assert Counter((result.outcome, result.attempts) for result in results) == {("provider_accepted", 1): len(targets)}
    texts = [str(event.get("error") or event.get("detail")) for event in events if event["event"] in told]
    assert all(
        re.search(r"through the proxy http://localhost:\d+.*it answered 403: its rules forbid", text) for text in texts
    )


@pytest.mark.long
@pytest.mark.parametrize("name", PROXIES)
async def test_everything_goes_through_a_proxy_of_debian(tmp_path, tmp_path_factory, name):
    if missing := find_missing(name):
        pytest.skip(f"{name} is not on this machine: {missing}")
    async with run_debian_proxy(name, tmp_path_factory.mktemp("proxy"), has_login=True) as url:
        egress = {"proxy": url, "proxy_login_file": write_login(tmp_path, login_for(name))}
        async with open_providers(tmp_path, **egress) as (shop, targets, _):
            with recording_connects() as connects:
                await send_all(shop, targets)
    assert 7 <= len(connects) <= 40
    assert set(connects) == {"127.0.0.1"}


@pytest.mark.long
@pytest.mark.parametrize("name", PROXIES)
async def test_what_a_proxy_of_debian_refuses_is_told(tmp_path, tmp_path_factory, name):
    if missing := find_missing(name):
        pytest.skip(f"{name} is not on this machine: {missing}")
    async with run_debian_proxy(name, tmp_path_factory.mktemp("proxy"), has_login=True) as url:
        egress = {"proxy": url, "proxy_login_file": write_login(tmp_path, "gateway:wrong")}
        with structlog.testing.capture_logs() as events:
            async with open_providers(tmp_path, **egress) as (shop, targets, _):
                await shop.send({"app": "shop", "content": CONTENT, "targets": targets[:1]})
                await wait_for_events(events, {"proxy_failed"})
    told = [event for event in events if event["event"] == "proxy_failed"]
    assert told[0]["proxy"] == url
    assert re.match("it answered 40[17]: it refuses user or password", told[0]["error"])
