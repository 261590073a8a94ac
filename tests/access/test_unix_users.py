"""Principals by the user at the other end of a Unix socket, with the kernel's own word for who that is."""

import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
from structlog.testing import capture_logs

from bench.simulators.apns import ApnsSimulator, open_apns_simulator
from gateway.access import Evidence, UnauthenticatedError, make_authenticator
from gateway.caller import ConnectError, SocketCaller, open_caller
from gateway.caller.caller import talk_over
from gateway.config import load_config
from protocol.results import expand
from tests.support.door import HELLO, open_door, unix
from tests.support.gateway import alert_batch, device_tokens, open_gateway, write_config
from tests.support.patience import HANG_SECONDS

OWN = os.geteuid()
OTHERS = OWN + 1
NEWS = 12_345
as_root = pytest.mark.skipif(OWN != 0, reason="only root can connect as another user")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every user of the machine may enter."""
    with tempfile.TemporaryDirectory() as path:
        Path(path).chmod(0o755)
        yield Path(path)


def connect_as(user: int, path: Path) -> trio.SocketStream:
    """Connect as another user would: the kernel notes who connects at that moment (unix(7), SO_PEERCRED)."""
    path.chmod(0o666)
    connected = socket.socket(socket.AF_UNIX)
    os.seteuid(user)
    try:
        connected.connect(str(path))
    finally:
        os.seteuid(OWN)
    return trio.SocketStream(trio.socket.from_stdlib_socket(connected))


async def test_a_user_that_is_no_principal_is_refused_at_hello(tmp_path: Path):
    async with open_door(unix(tmp_path), authenticator=make_authenticator({OTHERS: "shop"}, None)) as opened:
        peer = await opened.dial()
        refusal, *more = await peer.hear_all()
        assert (refusal["op"], refusal["reason"], more) == ("error", "unauthenticated", [])
        assert str(OWN) in refusal["detail"]
        assert "shop" not in refusal["detail"]


async def test_a_user_that_is_a_principal_is_welcome(tmp_path: Path):
    async with open_door(unix(tmp_path), authenticator=make_authenticator({OWN: "shop"}, None)) as opened:
        peer = await opened.dial()
        assert (await peer.get())["op"] == "welcome"


async def test_a_caller_that_comes_by_another_way_than_a_unix_socket_is_nobody(tmp_path: Path):
    async with open_door(authenticator=make_authenticator({OWN: "shop"}, None)) as opened:
        peer = opened.connect()
        await peer.say(HELLO)
        (refusal,) = await peer.hear_all()
        assert refusal["reason"] == "unauthenticated"


def test_without_users_everybody_is_default_and_with_them_the_owner_is_stored_as_default():
    assert make_authenticator({}, None).authenticate(Evidence()).stored_as == "default"
    named = make_authenticator({1: "shop", 2: "news"}, "shop")
    assert named.authenticate(Evidence(user=1)).stored_as == "default"
    assert named.authenticate(Evidence(user=2)).stored_as == "news"
    with pytest.raises(UnauthenticatedError):
        named.authenticate(Evidence(user=3))


async def read_batch_ids(caller: SocketCaller, count: int) -> set[str]:
    subscription = await caller.subscribe()
    batch_ids: list[str] = []
    while len(batch_ids) < count:
        page = await anext(subscription)
        batch_ids += [result.batch_id for block in page.blocks for result in expand(block)]
        subscription.acknowledge(page)
    return set(batch_ids)


async def wait_unread(gateway, rows: int) -> None:
    while gateway.statistics().engine.unread_rows < rows:  # noqa: ASYNC110 - nothing announces it
        await trio.sleep(0.01)


@as_root
async def test_what_default_left_unread_goes_to_its_owner_and_to_nobody_else(folder: Path):
    async with open_apns_simulator() as simulator:
        await leave_unread(folder, simulator)
        access = {"users": f"{OWN}=shop,{NEWS}=news", "default_belongs_to": "shop"}
        environ = {f"PUSHMILL_ACCESS__{name.upper()}": value for name, value in access.items()}
        config = load_config(write_config(folder, simulator), environ)
        with trio.fail_after(HANG_SECONDS):
            async with open_gateway(config) as (_, address):
                stream = connect_as(NEWS, folder / "gateway.sock")
                async with talk_over(stream) as news, open_caller(address) as shop:
                    # The same id is new to one and the first batch again to the other.
                    batch = alert_batch(device_tokens(3), batch_id="before")
                    assert (await news.send(batch)).accepted == 3
                    assert await read_batch_ids(news, 3) == {"before"}
                    assert (await shop.send(batch)).accepted == 3
                    assert await read_batch_ids(shop, 3) == {"before"}
        assert len(simulator.ledger.entries) == 6


@as_root
async def test_a_user_that_is_no_principal_is_refused_by_the_kernels_word(folder: Path):
    async with open_door(unix(folder), authenticator=make_authenticator({OWN: "shop"}, None)):
        stream = connect_as(NEWS, folder / "gateway.sock")
        with pytest.raises(ConnectError, match="unauthenticated"):
            async with talk_over(stream):
                pass


async def leave_unread(folder: Path, simulator: ApnsSimulator) -> None:
    """Have a batch of ``default`` sent, its results unread, and the gateway ended."""
    config = load_config(write_config(folder, simulator), {})
    with trio.fail_after(HANG_SECONDS):
        async with open_gateway(config) as (gateway, address), open_caller(address) as caller:
            assert (await caller.send(alert_batch(device_tokens(3), batch_id="before"))).accepted == 3
            await wait_unread(gateway, 3)


async def test_unread_results_that_nobody_can_read_are_told_at_the_start(folder: Path):
    async with open_apns_simulator() as simulator:
        await leave_unread(folder, simulator)
        config = load_config(write_config(folder, simulator), {"PUSHMILL_ACCESS__USERS": f"{OWN}=shop"})
        with capture_logs() as events:
            async with open_gateway(config):
                pass
    assert [each["principal"] for each in events if each["event"] == "principal_unreachable"] == ["default"]
