"""The gateway and its journal against servers of other projects: each notification gets exactly one right result."""

import json
import os
import socket
from collections import Counter
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
import trio
import trustme
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from gateway.caller import open_caller
from protocol.results import expand
from tests.support.foreign import (
    find_machine_tool,
    java_command,
    read_arrivals,
    running,
    simulator,
    write_foreign_key,
)
from tests.support.gateway import start_gateway
from tests.support.patience import HANG_SECONDS
from tests.support.webpush_sends import AUTH, P256DH

pytestmark = pytest.mark.foreign

CONFIGURATION = Path(__file__).parent / "servers" / "nginx.conf"
TOPIC = "com.example.shop"
TEAM_ID, KEY_ID = "DEF123GHIJ", "ABC123DEFG"
KEEPALIVE_REQUESTS = 100
ACCEPTED = ("provider_accepted", None, None)


# --- the gateway ---


def apns_sections(folder, port):
    return {
        "apns": {"production_address": f"localhost:{port}", "ca_file": str(folder / "ca.pem")},
        "apps.shop.apns": {
            "team_id": TEAM_ID,
            "key_id": KEY_ID,
            "key_file": str(folder / "foreign_key.p8"),
            "topic": TOPIC,
            "environment": "production",
        },
    }


@asynccontextmanager
async def open_gateway(folder, **sections):
    async with start_gateway(folder, None, **sections), open_caller(f"unix:{folder / 'gateway.sock'}") as caller:
        yield caller


async def send_all(caller, targets):
    """Send a notification to each target and return the results by their place, once each."""
    batch = {"app": "shop", "content": {"title": "Sale", "body": "20 % off today"}, "targets": targets}
    with trio.fail_after(HANG_SECONDS):
        subscription = await caller.subscribe()
        accepted = await caller.send(batch)
        assert (accepted.accepted, accepted.rejected) == (len(targets), [])
        results = []
        while len({result.index for result in results}) < len(targets):
            results += await next_results(subscription)
    # What is told twice would come soon after.
    with trio.move_on_after(1):
        results += await next_results(subscription)
    assert Counter(result.index for result in results) == dict.fromkeys(range(len(targets)), 1)
    return {result.index: (result.outcome, result.reason, result.provider_reason) for result in results}


async def next_results(subscription):
    page = await anext(subscription)
    subscription.acknowledge(page)
    return [result for block in page.blocks for result in expand(block)]


# --- what is sent ---


def make_tokens(**counts):
    """Return device tokens: so many that begin with each word; mixed, so that no connection has only right ones."""
    tokens = [f"{prefix}{number:0{64 - len(prefix)}x}" for prefix, count in counts.items() for number in range(count)]
    return sorted(tokens, key=lambda token: token[::-1])


def apns_targets(tokens):
    return [{"apns": {"token": token}} for token in tokens]


def find_free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def write_identity(folder):
    """Write an authority, a server's certificate and its key, and a provider's key."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    certificate = authority.issue_cert("localhost", "127.0.0.1")
    (folder / "server.pem").write_bytes(b"".join(each.bytes() for each in certificate.cert_chain_pems))
    key = load_pem_private_key(certificate.private_key_pem.bytes(), None)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())  # the one form that Java reads
    (folder / "server_key.pem").write_bytes(pem)
    provider_key = load_pem_private_key(write_foreign_key(folder).read_bytes(), None)
    public = provider_key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (folder / "public_key.pem").write_bytes(public)


# --- pushy's mock server ---


async def test_pushys_server_and_the_gateway_agree_about_every_notification(tmp_path):
    command = java_command("PushyServer.java")
    write_identity(tmp_path)
    (port,) = find_free_ports(1)
    tokens = make_tokens(a=1000, dead=60, ee=60, c0ffee=40)
    long = {token: token * 2 for token in tokens if token.startswith("c0ffee")}  # good hex, but no token to pushy
    known = [token for token in tokens if token.startswith(("a", "dead"))]
    wanted = {
        "port": port,
        "streams": 50,
        "certificate_file": str(tmp_path / "server.pem"),
        "key_file": str(tmp_path / "server_key.pem"),
        "public_key_file": str(tmp_path / "public_key.pem"),
        "report_file": str(tmp_path / "report.json"),
        "topic": TOPIC,
        "team_id": TEAM_ID,
        "key_id": KEY_ID,
        "tokens": known,
        "expired_tokens": [token for token in known if token.startswith("dead")],
    }
    (tmp_path / "wanted.json").write_text(json.dumps(wanted))
    sent = [long.get(token, token) for token in tokens]
    with running([*command, str(tmp_path / "wanted.json")], tmp_path / "pushy.log") as server:
        assert server.stdout.readline() == "ready\n", (tmp_path / "pushy.log").read_text()
        async with open_gateway(tmp_path, **apns_sections(tmp_path, port)) as caller:
            results = await send_all(caller, apns_targets(sent))
    right = {
        "a": ("accepted", ACCEPTED),
        "dead": ("UNREGISTERED", ("rejected", "dead_token", "Unregistered")),
        "ee": ("DEVICE_TOKEN_NOT_FOR_TOPIC", ("rejected", "wrong_app", "DeviceTokenNotForTopic")),
        "c0ffee": ("BAD_DEVICE_TOKEN", ("rejected", "invalid_token", "BadDeviceToken")),
    }
    answer_of = {token: next(answer for prefix, answer in right.items() if token.startswith(prefix)) for token in sent}
    assert {sent[index]: result for index, result in results.items()} == {
        token: result for token, (_, result) in answer_of.items()
    }
    said = json.loads((tmp_path / "report.json").read_text())["answers"]
    assert Counter((path.removeprefix("/3/device/"), word) for path, word in said) == Counter(
        (token, word) for token, (word, _) in answer_of.items()
    )


# --- nghttpd ---


async def test_nghttpd_gets_every_notification_once_and_its_404_is_a_final_word(tmp_path):
    nghttpd = find_machine_tool("nghttpd", "nghttp2-server")
    write_identity(tmp_path)
    (port,) = find_free_ports(1)
    tokens = make_tokens(a=1000, bad=100)
    folder = tmp_path / "files" / "3" / "device"
    folder.mkdir(parents=True)
    for token in tokens:
        if token.startswith("a"):
            (folder / token).write_bytes(b"{}")
    command = [nghttpd, "--verbose", "--max-concurrent-streams=50", "--address=127.0.0.1"]
    command += [
        f"--htdocs={tmp_path / 'files'}",
        str(port),
        str(tmp_path / "server_key.pem"),
        str(tmp_path / "server.pem"),
    ]
    with (tmp_path / "nghttpd.out").open("w") as output, running(command, tmp_path / "nghttpd.log", output=output):
        async with open_gateway(tmp_path, **apns_sections(tmp_path, port)) as caller:
            results = await send_all(caller, apns_targets(tokens))
    refused = ("rejected", "provider_error", None)
    assert {tokens[index]: result for index, result in results.items()} == {
        token: ACCEPTED if token.startswith("a") else refused for token in tokens
    }
    lines = [line.strip() for line in (tmp_path / "nghttpd.out").read_text().splitlines()]
    paths = [line.rpartition("/")[2] for line in lines if ":path: /3/device/" in line]
    assert Counter(paths) == dict.fromkeys(tokens, 1)


# --- nginx ---


@contextmanager
def run_nginx(folder, *, fcm_behind_port=9):
    """Run nginx with `CONFIGURATION` and yield its ports by what they stand for."""
    nginx = find_machine_tool("nginx", "nginx")
    write_identity(folder)
    names = ("apns_port", "webpush_h2_port", "webpush_http1_port", "fcm_port")
    ports = dict(zip(names, find_free_ports(len(names)), strict=True))
    text = CONFIGURATION.read_text().format(
        user="user root;" if os.geteuid() == 0 else "",  # the folder of a test is its owner's alone
        folder=folder,
        certificate_file=folder / "server.pem",
        key_file=folder / "server_key.pem",
        keepalive_requests=KEEPALIVE_REQUESTS,
        fcm_behind_port=fcm_behind_port,
        **ports,
    )
    (folder / "nginx.conf").write_text(text)
    command = [nginx, "-e", "stderr", "-p", str(folder), "-c", str(folder / "nginx.conf")]
    with running(command, folder / "nginx.log") as process:
        wait_until_listening(ports["apns_port"], process, folder / "nginx.log")
        yield ports


def wait_until_listening(port, process, log_file):
    while process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
    raise AssertionError(log_file.read_text())


def join_files(target, *parts):
    target.write_text("".join(part.read_text() for part in parts))
    return target


def read_access_log(folder):
    """Return the statuses of each path in order, and the connections that they came on by protocol."""
    statuses, connections = {}, {}
    for line in (folder / "access.log").read_text().splitlines():
        status, connection, protocol, path = line.split(" ", 3)
        statuses.setdefault(path, []).append(int(status))
        connections.setdefault(protocol, set()).add(connection)
    return statuses, connections


async def test_nginx_as_apple_ends_connections_and_throttles_and_nothing_is_lost_or_doubled(tmp_path):
    tokens = make_tokens(a=1500, dead=80, bad=80, b5=20)
    with run_nginx(tmp_path) as ports:
        async with open_gateway(tmp_path, **apns_sections(tmp_path, ports["apns_port"])) as caller:
            results = await send_all(caller, apns_targets(tokens))
    right = {
        "a": ACCEPTED,
        "dead": ("rejected", "dead_token", "Unregistered"),
        "bad": ("rejected", "invalid_token", "BadDeviceToken"),
        "b5": ACCEPTED,
    }
    prefix_of = {token: next(prefix for prefix in right if token.startswith(prefix)) for token in tokens}
    assert {tokens[index]: result for index, result in results.items()} == {
        token: right[prefix] for token, prefix in prefix_of.items()
    }
    statuses, connections = read_access_log(tmp_path)
    by_token = {path.removeprefix("/3/device/"): codes for path, codes in statuses.items()}
    throttled = {token: codes for token, codes in by_token.items() if codes[:1] == [429]}
    assert {token: codes for token, codes in by_token.items() if token not in throttled} == {
        token: [{"dead": 410, "bad": 400}.get(prefix, 200)]
        for token, prefix in prefix_of.items()
        if token not in throttled
    }
    assert throttled
    assert {(prefix_of[token], codes[-1], *set(codes[:-1])) for token, codes in throttled.items()} == {("b5", 200, 429)}
    assert len(connections["HTTP/2.0"]) >= len(tokens) // KEEPALIVE_REQUESTS


@pytest.mark.parametrize(
    ("port_name", "protocol"), [("webpush_h2_port", "HTTP/2.0"), ("webpush_http1_port", "HTTP/1.1")]
)
async def test_nginx_as_push_service_gets_every_notification_once(tmp_path, port_name, protocol):
    kinds = {"push": 1000, "gone": 60, "none": 60}
    with run_nginx(tmp_path) as ports:
        origin = f"localhost:{ports[port_name]}"
        paths = [f"/{kind}/{number:04}" for kind, count in kinds.items() for number in range(count)]
        paths.sort(key=lambda path: path[::-1])
        key = ec.generate_private_key(ec.SECP256R1())
        vapid = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (tmp_path / "vapid.pem").write_bytes(vapid)
        sections = {
            "webpush": {"allowed_networks": ["127.0.0.0/8", "::1/128"], "ca_file": str(tmp_path / "ca.pem")},
            "webpush.allowed_hosts": {origin: "other"},
            "apps.shop.webpush": {"subject": "mailto:push@example.com"},
            "apps.shop.webpush.vapid_key_files": {"only": str(tmp_path / "vapid.pem")},
        }
        targets = [
            {"webpush": {"endpoint": f"https://{origin}{path}", "keys": {"p256dh": P256DH, "auth": AUTH}}}
            for path in paths
        ]
        async with open_gateway(tmp_path, **sections) as caller:
            results = await send_all(caller, targets)
    dead = ("rejected", "dead_token", None)
    assert {paths[index]: result for index, result in results.items()} == {
        path: ACCEPTED if path.startswith("/push/") else dead for path in paths
    }
    statuses, connections = read_access_log(tmp_path)
    assert statuses == {path: [{"push": 201, "gone": 410, "none": 404}[path[1:5]]] for path in paths}
    assert set(connections) == {protocol}
    assert len(connections[protocol]) >= len(paths) // KEEPALIVE_REQUESTS


async def test_nginx_before_fcm_passes_every_message_on_once(tmp_path):
    scenario = '[[events]]\ndestination_prefix = "gone"\ndo = "answer"\nreason = "UNREGISTERED"\n'
    tokens = [f"t{number:04}:APA91x" for number in range(1000)] + [f"gone{number:04}:APA91x" for number in range(100)]
    tokens.sort(key=lambda token: token[::-1])
    (tmp_path / "fcm").mkdir()
    with (
        simulator(tmp_path / "fcm", "fcm", scenario) as facts,
        run_nginx(tmp_path, fcm_behind_port=facts["port"]) as ports,
    ):
        # One file of authorities: nginx's for messages, the simulator's for access tokens.
        both = join_files(tmp_path / "both.pem", tmp_path / "ca.pem", Path(facts["ca_file"]))
        sections = {
            "fcm": {
                "address": f"localhost:{ports['fcm_port']}",
                "token_uri": facts["token_uri"],
                "ca_file": str(both),
                "ramp_seconds": 0,
            },
            "apps.shop.fcm": {"service_account_file": facts["service_account_file"]},
        }
        async with open_gateway(tmp_path, **sections) as caller:
            results = await send_all(caller, [{"fcm": {"token": token}} for token in tokens])
    dead = ("rejected", "dead_token", "UNREGISTERED")
    assert {tokens[index]: result for index, result in results.items()} == {
        token: dead if token.startswith("gone") else ACCEPTED for token in tokens
    }
    assert read_arrivals(tmp_path / "fcm") == {token: [404 if token.startswith("gone") else 200] for token in tokens}
    _, connections = read_access_log(tmp_path)
    assert len(connections["HTTP/2.0"]) >= len(tokens) // KEEPALIVE_REQUESTS
