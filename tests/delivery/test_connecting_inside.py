"""Strangers choose the hosts of Web Push: whatever a name resolves to, nothing inside our network is connected to."""

import socket
import ssl
from functools import partial

import pytest
import trio
import trustme

from gateway.clock import SystemClock
from gateway.config import AppSettings, Config, TcpAddress, WebPushAppSettings, WebPushSettings
from gateway.delivery.credentials import create_vapid_key_file, load_credentials
from gateway.delivery.egress.dialer import Dialer, client_tls
from gateway.delivery.providers.assembly import Providers
from gateway.errors import SessionOpenError
from protocol.providers.webpush import AddressPolicy, EndpointPolicy, addresses
from protocol.reasons import Reason
from protocol.rejections import RowError
from tests.support.connects import recording_connects

HOST = "push.example.org"
PUBLIC = AddressPolicy()
LOOPBACK = AddressPolicy(["127.0.0.0/8"])

# What a resolver may be made to answer, by whoever owns an allowed name or the network's DNS.
INSIDE = {
    "loopback": "127.0.0.1",
    "loopback_far_end": "127.255.255.254",
    "loopback_v6": "::1",
    "unspecified": "0.0.0.0",  # noqa: S104 - it reaches this machine
    "unspecified_v6": "::",
    "private_10": "10.0.0.1",
    "private_172": "172.31.255.255",
    "private_192": "192.168.1.1",
    "link_local_metadata": "169.254.169.254",
    "link_local_v6": "fe80::1",
    "link_local_v6_with_scope": "fe80::1%1",
    "carrier_nat": "100.64.0.1",
    "unique_local": "fd00::1",
    "site_local": "fec0::1",
    "mapped_loopback": "::ffff:127.0.0.1",
    "mapped_private": "::ffff:10.0.0.1",
    "compatible_loopback": "::127.0.0.1",
    "nat64_loopback": "64:ff9b::127.0.0.1",
    "nat64_private": "64:ff9b::a00:1",
    "nat64_local_prefix": "64:ff9b:1::7f00:1",
    "six_to_four_loopback": "2002:7f00:1::",
    "teredo": "2001::7f00:1",
    "multicast": "224.0.0.1",
    "multicast_v6": "ff02::1",
    "broadcast": "255.255.255.255",
    "documentation": "192.0.2.1",
    # Not as resolvers write addresses, but as the system would read them.
    "short_form": "127.1",
    "decimal": "2130706433",
    "octal": "0177.0.0.1",
    "hexadecimal": "0x7f.0.0.1",
    "no_address": "localhost",
}

# The same in the URL itself; the last ones try to look like an allowed host.
ENDPOINTS = {
    "loopback": "https://127.0.0.1/x",
    "loopback_v6": "https://[::1]/x",
    "mapped": "https://[::ffff:127.0.0.1]/x",
    "decimal": "https://2130706433/x",
    "octal": "https://0177.0.0.1/x",
    "hexadecimal": "https://0x7f000001/x",
    "hexadecimal_parts": "https://0x7f.0x0.0x0.0x1/x",
    "short_form": "https://127.1/x",
    "trailing_dot": "https://127.0.0.1./x",
    "full_width_digits": "https://\uff11\uff12\uff17.0.0.1/x",
    "name_of_this_machine": "https://localhost/x",
    "plain_http": "http://fcm.googleapis.com/x",
    "longer_name": "https://fcm.googleapis.com.evil.example/x",
    "glued_name": "https://evilfcm.googleapis.com/x",
    "user_name": "https://fcm.googleapis.com@127.0.0.1/x",
    "backslash": "https://127.0.0.1\\@fcm.googleapis.com/x",
    "fragment": "https://127.0.0.1#@fcm.googleapis.com/x",
    "other_port": "https://fcm.googleapis.com:8443/x",
    "apns_itself": "https://api.push.apple.com/3/device/x",
}


def resolving_to(*answers):
    """Resolve to each of ``answers`` in turn, and to the last one from then on."""
    left = list(answers)

    async def resolver(host, port):
        await trio.lowlevel.checkpoint()
        return left.pop(0) if len(left) > 1 else left[0]

    return resolver


def make_dialer(*answers, port=9, policy=PUBLIC, tls=None):
    return Dialer(
        TcpAddress(HOST, port),
        tls or client_tls(None),
        timeout_seconds=5.0,
        resolver=resolving_to(*answers),
        is_allowed=policy.allows,
    )


@pytest.mark.parametrize("address", INSIDE.values(), ids=INSIDE)
async def test_a_name_that_resolves_to_the_inside_is_not_connected_to(address):
    with recording_connects() as connects, pytest.raises(SessionOpenError, match=r"none of its addresses .* may be"):
        await make_dialer([address]).dial()
    assert connects == []


async def test_an_address_inside_that_a_setting_allows_is_connected_to():
    with recording_connects() as connects, pytest.raises(SessionOpenError):
        await make_dialer(["127.0.0.1"], policy=LOOPBACK).dial()
    assert connects == ["127.0.0.1"]


async def test_of_several_addresses_only_the_allowed_ones_are_tried():
    dialer = make_dialer(["10.0.0.1", "127.0.0.2", "::1"], policy=LOOPBACK)
    with recording_connects() as connects:
        for _ in range(3):
            with pytest.raises(SessionOpenError):
                await dialer.dial()
    assert connects == ["127.0.0.2"] * 3


async def test_a_second_answer_that_is_another_changes_nothing_for_the_checked_one():
    # 127.0.0.0/8 stands in for the public internet, which a test must not connect to; 127.9.9.9 is the inside.
    dialer = make_dialer(["127.0.0.2"], ["127.9.9.9"], policy=AddressPolicy(["127.0.0.2/32"]))
    with recording_connects() as connects:
        with pytest.raises(SessionOpenError, match="refused"):
            await dialer.dial()
        with pytest.raises(SessionOpenError, match="may be connected to"):
            await dialer.dial()
    assert connects == ["127.0.0.2"]


async def test_the_checked_address_has_to_show_the_certificate_of_the_name():
    authority = trustme.CA()
    asked = []

    async def serve(transport):
        await trio.SSLStream(transport, context, server_side=True, https_compatible=True).receive_some()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(HOST).configure_cert(context)
    context.set_alpn_protocols(["h2"])
    context.sni_callback = lambda _object, name, _context: asked.append(name)
    tls = client_tls(None)
    authority.configure_trust(tls)
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, serve, 0, host="127.0.0.1"))
        port = listeners[0].socket.getsockname()[1]
        with recording_connects() as connects:
            stream, _ = await make_dialer(["127.0.0.1"], port=port, policy=LOOPBACK, tls=tls).dial()
        await trio.aclose_forcefully(stream)
        nursery.cancel_scope.cancel()
    assert (connects, asked) == (["127.0.0.1"], [HOST])


def make_public_dialer(folder):
    """Return the dialer that a gateway has for an endpoint's host where any public one is allowed."""
    create_vapid_key_file(folder / "vapid.pem")
    app = WebPushAppSettings(subject="mailto:push@example.org", vapid_key_file=str(folder / "vapid.pem"))
    config = Config(webpush=WebPushSettings(hosts="public"), apps={"shop": AppSettings(webpush=app)})
    providers = Providers(config, load_credentials(config, SystemClock()), SystemClock(), lambda part: part)
    provider, _ = providers.provider_of_lane(f"shop/webpush/https://{HOST}")
    assert not provider.refuses_all
    return provider.dialer


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "fd00::1", "::ffff:10.0.0.1"])
async def test_where_any_public_host_is_allowed_its_addresses_are_judged(tmp_path, monkeypatch, address):
    answers = [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (address, 443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answers)
    with recording_connects() as connects, pytest.raises(SessionOpenError, match=r"none of its addresses .* may be"):
        await make_public_dialer(tmp_path).dial()
    assert connects == []


async def test_where_any_public_host_is_allowed_the_address_judged_is_the_one_connected_to(tmp_path, monkeypatch):
    asked = []

    def answer(host, port, *_, **__):
        # A public address at first, then the inside: what is asked a second time must not be connected to.
        asked.append(host)
        address = "198.18.0.1" if len(asked) == 1 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (address, port))]

    monkeypatch.setattr(addresses, "_NOT_PUBLIC_IPV4", addresses._NOT_PUBLIC_IPV4[:5])  # 198.18.0.0/15 stands in
    dialer = make_public_dialer(tmp_path)
    monkeypatch.setattr(socket, "getaddrinfo", answer)
    tried = []

    async def connect(address, port):
        tried.append(address)
        raise OSError("nothing is sent to the internet from here")

    monkeypatch.setattr(trio, "open_tcp_stream", connect)
    with pytest.raises(SessionOpenError, match=r"198\.18\.0\.1"):
        await dialer.dial()
    assert (asked, tried) == ([HOST], ["198.18.0.1"])
    with pytest.raises(SessionOpenError, match=r"none of its addresses \(127\.0\.0\.1\) may be"):
        await dialer.dial()
    assert tried == ["198.18.0.1"]


@pytest.mark.parametrize("url", ENDPOINTS.values(), ids=ENDPOINTS)
def test_an_endpoint_that_names_the_inside_gets_no_lane(url):
    with pytest.raises(RowError) as refused:
        EndpointPolicy().read_endpoint(url)
    assert refused.value.reason in {Reason.ENDPOINT_NOT_ALLOWED, Reason.INVALID_TOKEN}
