"""SIGHUP: files are read again by a gateway that goes on, a bad one changes nothing, settings wait for a restart."""

import json
import shutil
import signal
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
import trustme
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bench.judging.processes import Child
from bench.simulators.apns import ApnsSimulator, open_apns_simulator
from gateway.caller import ConnectError, SocketCaller, open_caller
from gateway.delivery.pacing import hold
from protocol.results import Result, expand
from tests.support.gateway import device_tokens, open_shop, start_gateway, write_config
from tests.support.patience import HANG_SECONDS

TOKENS = device_tokens(20)


def write_other_key(path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


class Life:
    """A gateway process and what it logs."""

    def __init__(self, folder: Path, child: Child) -> None:
        self.folder = folder
        self.child = child
        self.address = f"unix:{folder / 'gateway.sock'}"

    def events(self, name: str) -> list[dict[str, Any]]:
        lines = (self.folder / "gateway.log").read_text().splitlines()
        return [event for event in map(json.loads, lines) if event["event"] == name]

    async def wait_for(self, name: str, count: int = 1) -> dict[str, Any]:
        while len(self.events(name)) < count:  # noqa: ASYNC110 - another process writes it
            await trio.sleep(0.02)
        return self.events(name)[count - 1]

    async def hang_up(self) -> dict[str, Any]:
        """Send SIGHUP and return what came of it."""
        before = len(self.events("files_read_again"))
        self.child.send_signal(signal.SIGHUP)
        return await self.wait_for("files_read_again", before + 1)


@asynccontextmanager
async def live(folder: Path, simulator: ApnsSimulator, **sections: Any) -> AsyncIterator[Life]:
    with trio.fail_after(HANG_SECONDS):
        async with start_gateway(folder, simulator, **sections) as child:
            yield Life(folder, child)
            assert not child.has_ended


async def send(caller: SocketCaller, tokens: list[str], batch_id: str) -> None:
    targets = [{"apns": {"token": token}} for token in tokens]
    answer = await caller.send({"batch_id": batch_id, "app": "shop", "content": {"title": "Hi"}, "targets": targets})
    assert answer.accepted == len(tokens)


async def read(caller: SocketCaller, count: int) -> list[Result]:
    results: list[Result] = []
    async for page in await caller.subscribe(subscription="reload"):
        results += [result for block in page.blocks for result in expand(block)]
        if len(results) >= count:
            break
    return results


async def test_a_mended_key_is_taken_on_sighup_and_what_was_held_for_it_is_sent(tmp_path):
    key_file = tmp_path / "key.p8"
    write_other_key(key_file)
    async with open_apns_simulator() as simulator:
        sections = {"apps.shop.apns": {"key_file": str(key_file)}}
        async with live(tmp_path, simulator, **sections) as life, open_caller(life.address) as caller:
            await send(caller, TOKENS, "held")
            await life.wait_for("lane_held")
            shutil.copy(simulator.credentials.keys[0].file, key_file)
            assert (await life.hang_up())["changed"] == ["apps.shop.apns.key_file"]
            results = await read(caller, len(TOKENS))
    assert [result.outcome for result in results] == ["provider_accepted"] * len(TOKENS)


async def test_a_mended_key_is_taken_when_the_hold_ends_without_a_signal(tmp_path, monkeypatch):
    monkeypatch.setattr(hold, "REFUSED_FIRST_SECONDS", 0.2)
    monkeypatch.setattr(hold, "REFUSED_CEILING_SECONDS", 0.4)
    key_file = tmp_path / "key.p8"
    write_other_key(key_file)
    async with open_apns_simulator() as simulator, open_shop(tmp_path, simulator, key_file=key_file) as shop:
        await send(shop.caller, TOKENS, "held")
        while not any(lane.is_held for lane in shop.gateway.statistics().lanes.values()):  # noqa: ASYNC110
            await trio.sleep(0.01)
        shutil.copy(simulator.credentials.keys[0].file, key_file)
        results = await shop.read_results(len(TOKENS))
    assert [result.outcome for result in results] == ["provider_accepted"] * len(TOKENS)


async def test_a_bad_file_is_told_once_and_the_key_before_goes_on(tmp_path):
    key_file = tmp_path / "key.p8"
    async with open_apns_simulator() as simulator:
        shutil.copy(simulator.credentials.keys[0].file, key_file)
        sections = {"apps.shop.apns": {"key_file": str(key_file)}}
        async with live(tmp_path, simulator, **sections) as life, open_caller(life.address) as caller:
            key_file.write_text("-----BEGIN PRIVATE KEY-----\nhalf a")
            told = await life.hang_up()
            assert told["changed"] == []
            assert [fault for fault in told["unusable"] if str(key_file) in fault]
            assert not life.events("credential_files_unusable")
            assert "half a" not in (tmp_path / "gateway.log").read_text()
            await send(caller, TOKENS, "as-before")
            results = await read(caller, len(TOKENS))
    assert [result.outcome for result in results] == ["provider_accepted"] * len(TOKENS)


async def test_nothing_happens_where_nothing_changed(tmp_path):
    async with (
        open_apns_simulator() as simulator,
        live(tmp_path, simulator) as life,
        open_caller(life.address) as caller,
    ):
        await send(caller, TOKENS, "first")
        assert (await life.hang_up())["changed"] == []
        await send(caller, TOKENS, "second")
        await read(caller, 2 * len(TOKENS))
        assert len(life.events("session_opened")) == 1
        assert not life.events("settings_need_restart")


async def test_authorities_are_read_again(tmp_path):
    ca_file = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(ca_file)
    async with (
        open_apns_simulator() as simulator,
        live(tmp_path, simulator, apns={"ca_file": str(ca_file), "reconnect_ceiling_seconds": 1.0}) as life,
        open_caller(life.address) as caller,
    ):
        await send(caller, TOKENS, "distrusted")
        await life.wait_for("session_failed")
        shutil.copy(simulator.ca_file, ca_file)
        assert (await life.hang_up())["changed"] == ["apns.ca_file"]
        results = await read(caller, len(TOKENS))
    assert [result.outcome for result in results] == ["provider_accepted"] * len(TOKENS)


def write_door_certificate(folder: Path) -> ssl.SSLContext:
    """Write one of an authority of its own, and return what trusts that alone."""
    authority = trustme.CA()
    issued = authority.issue_cert("localhost")
    issued.private_key_pem.write_to_path(folder / "door.key")
    (folder / "door.pem").write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(context)
    return context


async def test_the_doors_certificate_is_read_again_and_open_connections_go_on(tmp_path):
    old = write_door_certificate(tmp_path)
    listen = {
        "socket": [f"unix:{tmp_path / 'gateway.sock'}", "tcp:localhost:0"],
        "tls_certificate_file": str(tmp_path / "door.pem"),
        "tls_key_file": str(tmp_path / "door.key"),
    }
    async with open_apns_simulator() as simulator, live(tmp_path, simulator, listen=listen) as life:
        address = next(place for place in (await life.wait_for("ready"))["addresses"] if place.startswith("tcp:127"))
        address = f"tcp:localhost:{address.rpartition(':')[2]}"
        async with open_caller(address, tls=old) as caller:
            new = write_door_certificate(tmp_path)
            assert (await life.hang_up())["changed"] == ["listen.tls_certificate_file"]
            async with open_caller(address, tls=new) as other:
                await send(other, TOKENS, "new")
            with pytest.raises(ConnectError):
                async with open_caller(address, tls=old):
                    pass
            (tmp_path / "door.key").write_text("no key")
            told = await life.hang_up()
            assert (told["changed"], len(told["unusable"])) == ([], 1)
            await send(caller, TOKENS, "old")
            async with open_caller(address, tls=new):
                pass


async def test_changed_settings_are_named_and_wait_for_a_restart(tmp_path):
    async with open_apns_simulator() as simulator, live(tmp_path, simulator) as life:
        write_config(tmp_path, simulator, limits={"connections": 7}, **{"apps.shop.apns": {"topic": "com.example.new"}})
        await life.hang_up()
        told = await life.wait_for("settings_need_restart")
        assert told["settings"] == ["limits.connections", "apps.shop.apns.topic"]
        (tmp_path / "gateway.toml").write_text("[nonsense")
        await life.hang_up()
        assert (await life.wait_for("settings_unusable"))["faults"]
