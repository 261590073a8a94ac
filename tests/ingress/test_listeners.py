"""Real sockets: files and their rights, TLS, the cap on connections, and bad neighbours."""

import os
import socket
import ssl
import stat
from pathlib import Path

import pytest
import trio
import trio.lowlevel
import trustme

from gateway.caller import ConnectError
from gateway.config import ListenSettings
from gateway.doors.socket import ListenError
from gateway.doors.socket.listener import open_listeners
from gateway.doors.socket.own_tls import OwnTls
from gateway.errors import UnusableFileError
from tests.support.door import HELLO, encode, make_send, open_door, unix

PING = {"op": "ping"}


async def refuse_to_listen(listen: ListenSettings) -> str:
    with pytest.raises(ListenError) as refused:
        async with open_listeners(listen, OwnTls(listen)):
            pass
    return str(refused.value)


async def test_a_socket_file_is_for_its_owner_and_group_and_goes_in_the_end(tmp_path: Path):
    path = tmp_path / "gateway.sock"
    async with open_door(unix(tmp_path)):
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
    assert not path.exists()


async def test_a_socket_file_is_never_open_to_others_not_even_as_it_is_made(tmp_path: Path, monkeypatch):
    made: list[int] = []
    chmod = Path.chmod

    def note(path: Path, mode: int) -> None:
        made.append(stat.S_IMODE(path.stat().st_mode))
        chmod(path, mode)

    monkeypatch.setattr(Path, "chmod", note)
    umask = os.umask(0)
    try:
        async with open_door(unix(tmp_path)):
            assert made == [0o660]
    finally:
        os.umask(umask)


async def test_a_stale_socket_file_is_replaced(tmp_path: Path):
    path = tmp_path / "gateway.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    async with open_door(unix(tmp_path)) as opened:
        assert (await (await opened.dial()).get())["op"] == "welcome"


async def test_a_socket_that_somebody_serves_is_left_alone(tmp_path: Path):
    async with open_door(unix(tmp_path)) as opened:
        assert "another process" in await refuse_to_listen(unix(tmp_path))
        assert (await (await opened.dial()).get())["op"] == "welcome"


async def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path):
    path = tmp_path / "gateway.sock"
    path.write_text("precious")
    assert "not a socket" in await refuse_to_listen(unix(tmp_path))
    assert path.read_text() == "precious"


async def test_a_socket_file_of_another_process_is_not_removed(tmp_path: Path):
    path = tmp_path / "gateway.sock"
    async with open_door(unix(tmp_path)):
        path.unlink()
        path.write_text("another one's")
    assert path.read_text() == "another one's"


async def test_what_cannot_be_listened_at_is_named(tmp_path: Path):
    assert str(tmp_path / "none") in await refuse_to_listen(unix(tmp_path / "none"))


def test_a_certificate_that_cannot_be_used_is_named(tmp_path: Path):
    missing = ListenSettings(
        socket=("tcp:127.0.0.1:0",),
        tls_certificate_file=str(tmp_path / "no.pem"),
        tls_key_file=str(tmp_path / "no.key"),
    )
    with pytest.raises(UnusableFileError, match=r"no\.pem"):
        OwnTls(missing)


async def test_one_address_that_fails_closes_the_others(tmp_path: Path):
    listen = ListenSettings(socket=(f"unix:{tmp_path / 'gateway.sock'}", f"unix:{tmp_path / 'none' / 'x.sock'}"))
    await refuse_to_listen(listen)
    assert not (tmp_path / "gateway.sock").exists()


async def test_tcp_speaks_tls(tmp_path: Path):
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "door.pem")
    certificate.private_key_pem.write_to_path(tmp_path / "door.key")
    listen = ListenSettings(
        socket=("tcp:localhost:0", f"unix:{tmp_path / 'gateway.sock'}"),
        tls_certificate_file=str(tmp_path / "door.pem"),
        tls_key_file=str(tmp_path / "door.key"),
    )
    context = ssl.create_default_context()
    authority.configure_trust(context)
    async with open_door(listen) as opened:
        port = int(opened.addresses[0].rpartition(":")[2])
        plain = opened.adopt(await trio.open_tcp_stream("localhost", port))
        await plain.stream.send_all(b"GET / HTTP/1.1\r\n\r\n")
        over_tls = trio.SSLStream(
            await trio.open_tcp_stream("localhost", port), context, server_hostname="localhost", https_compatible=True
        )
        peer = opened.adopt(over_tls)
        assert (await peer.ask(HELLO))["op"] == "welcome"
        assert (await peer.ask(make_send(10_000)))["accepted"] == 10_000
        await peer.stream.send_all(b"\0\0\0\1\xc1")
        assert (await peer.get())["reason"] == "malformed"


async def test_loopback_may_speak_without_tls():
    async with open_door(ListenSettings(socket=("tcp:127.0.0.1:0",))) as opened:
        assert (await (await opened.dial()).get())["op"] == "welcome"


async def test_one_connection_too_many_is_told_and_those_inside_go_on(tmp_path: Path):
    async with open_door(unix(tmp_path), connections=2) as opened:
        inside = [await opened.dial() for _ in range(2)]
        assert [(await peer.get())["op"] for peer in inside] == ["welcome", "welcome"]
        (error,) = await (await opened.dial()).hear_all()
        assert (error["op"], error["reason"]) == ("error", "overloaded")
        assert error["retry_after_ms"] > 0
        assert (await inside[0].ask(PING))["op"] == "pong"
        await inside[1].stream.aclose()
        while opened.door.statistics().connections == 2:
            await trio.lowlevel.checkpoint()
        assert (await (await opened.dial()).get())["op"] == "welcome"


async def test_last_words_reach_a_peer_that_is_still_sending():
    async with open_door(ListenSettings(socket=("tcp:127.0.0.1:0",)), batch_bytes=1024) as opened:
        peer = await opened.dial()
        assert (await peer.get())["op"] == "welcome"
        await peer.stream.send_all((1 << 20).to_bytes(4, "big") + bytes(1 << 20))
        (error,) = await peer.hear_all()
        assert error["reason"] == "too_large"


async def test_bad_connections_never_harm_another(tmp_path: Path):
    async with open_door(unix(tmp_path)) as opened:
        good = await opened.dial()
        assert (await good.get())["op"] == "welcome"
        for number, noise in enumerate([b"", b"\xff" * 100, b"\0\0\0\1\xc1", encode(PING), encode(make_send(10))[:-9]]):
            bad = await opened.dial()
            await bad.stream.send_all(noise)
            await bad.stream.aclose()
            answer = await good.ask(make_send(100, batch_id=f"b{number}"))
            assert answer["accepted"] == 100
        while opened.door.statistics().connections > 1:
            await trio.lowlevel.checkpoint()


async def test_a_drained_door_lets_nobody_in_and_returns_when_the_last_one_has_gone(tmp_path: Path):
    async with open_door(unix(tmp_path)) as opened:
        peer = await opened.dial()
        assert (await peer.get())["op"] == "welcome"
        opened.door.begin_drain()
        assert (await peer.get())["op"] == "goodbye"
        while (tmp_path / "gateway.sock").exists():
            await trio.lowlevel.checkpoint()
        with pytest.raises(ConnectError, match="No such file"):
            await opened.dial()
        assert (await peer.ask(PING))["op"] == "pong"
        await peer.stream.aclose()
        while opened.nursery.child_tasks:
            await trio.lowlevel.checkpoint()
