"""Batches, keys and salts, padding, pools and threads, read by an independent decoder."""

import os
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from native import KeyPool, encrypt_batch, encrypt_reproducibly, fail_allocation_after, live_objects
from protocol.encryption import MOST_BODY_BYTES, MOST_PLAINTEXT_BYTES, EncryptionRefusal
from tests.support.webpush import Receiver, make_receiver

ROUTES = pytest.mark.parametrize("route", ["points", "evp"])
ROWS = 70  # more than two chunks


@pytest.fixture(scope="module")
def receivers() -> list[Receiver]:
    return [make_receiver() for _ in range(ROWS)]


def encrypt_for(receivers: list[Receiver], plaintexts: list[bytes], **options: object) -> list[bytes]:
    publics = [receiver.public for receiver in receivers]
    auth_secrets = [receiver.auth_secret for receiver in receivers]
    bodies, refusals = encrypt_batch(plaintexts, publics, auth_secrets, **options)  # type: ignore[arg-type]
    assert refusals == {}
    return bodies


def decrypt_all(receivers: list[Receiver], bodies: list[bytes]) -> list[bytes]:
    return [receiver.decrypt(body) for receiver, body in zip(receivers, bodies, strict=True)]


def salts(bodies: list[bytes]) -> set[bytes]:
    return {body[:16] for body in bodies}


def keys(bodies: list[bytes]) -> set[bytes]:
    return {body[21:86] for body in bodies}


@ROUTES
@settings(max_examples=30, deadline=None)
@given(st.lists(st.binary(max_size=300) | st.binary(min_size=3900, max_size=MOST_PLAINTEXT_BYTES), max_size=12))
def test_every_receiver_reads_its_own(route: str, receivers: list[Receiver], plaintexts: list[bytes]) -> None:
    addressed = receivers[: len(plaintexts)]
    assert decrypt_all(addressed, encrypt_for(addressed, plaintexts, route=route)) == plaintexts


@ROUTES
def test_two_encryptions_share_no_salt_and_no_key(route: str, receivers: list[Receiver]) -> None:
    plaintexts = [b"the same"] * ROWS
    pool = KeyPool(ROWS, route=route)
    pool.fill(ROWS)
    bodies = encrypt_for(receivers, plaintexts, route=route) + encrypt_for(receivers, plaintexts, route=route)
    bodies += encrypt_for(receivers, plaintexts, route=route, pool=pool)
    assert len(salts(bodies)) == len(keys(bodies)) == 3 * ROWS


def test_empty_plaintext_has_its_record() -> None:
    receiver = make_receiver()
    (body,) = encrypt_for([receiver], [b""])
    assert len(body) == 103
    assert receiver.decrypt(body) == b""


def test_plaintext_is_padded_to_the_least_length_that_holds_it() -> None:
    receiver = make_receiver()
    lengths = [0, 1, 128, 129, 512, 513, MOST_PLAINTEXT_BYTES]
    plaintexts = [os.urandom(length) for length in lengths]
    bodies = encrypt_for([receiver] * 7, plaintexts, padded_lengths=(512, 128))
    assert [len(body) - 103 for body in bodies] == [128, 128, 128, 512, 512, 513, MOST_PLAINTEXT_BYTES]
    assert decrypt_all([receiver] * 7, bodies) == plaintexts
    assert max(map(len, bodies)) == MOST_BODY_BYTES


def test_record_must_be_smaller_than_its_size() -> None:
    receiver = make_receiver()
    columns = ([b"12345"], [receiver.public], [receiver.auth_secret])
    assert encrypt_batch(*columns, record_size=22).refusals == {0: EncryptionRefusal.TOO_LONG}
    (body,) = encrypt_batch(*columns, record_size=23).bodies
    assert body[16:20] == (23).to_bytes(4, "big")
    assert receiver.decrypt(body) == b"12345"


def test_batch_may_be_empty_or_refused_whole() -> None:
    assert encrypt_batch([], [], []) == ([], {})
    assert encrypt_batch([b""], [b""], [b""]).refusals == {0: EncryptionRefusal.KEY_LENGTH}


@ROUTES
def test_many_refused_rows_keep_the_others_in_step(route: str, receivers: list[Receiver]) -> None:
    off_curve = b"\x04" + b"\x01" * 64
    plaintexts = [b"%d" % row for row in range(ROWS)]
    publics = [off_curve if row % 3 == 0 else receivers[row].public for row in range(ROWS)]
    auth_secrets = [receiver.auth_secret[: 15 if row % 7 == 1 else 16] for row, receiver in enumerate(receivers)]
    pool = KeyPool(ROWS, route=route)
    pool.fill(ROWS // 2)
    bodies, refusals = encrypt_batch(plaintexts, publics, auth_secrets, route=route, pool=pool)
    for row, receiver in enumerate(receivers):
        if row in refusals:
            assert row % 3 == 0 or row % 7 == 1
            assert bodies[row] == b""
        else:
            assert receiver.decrypt(bodies[row]) == plaintexts[row]
    assert len(refusals) == sum(row % 3 == 0 or row % 7 == 1 for row in range(ROWS))


def test_columns_of_different_length_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="2 plaintexts, 1 keys and 1 authentication secrets"):
        encrypt_batch([b"", b""], [b""], [b""])


@pytest.mark.parametrize("record_size", [0, 17, 2**32])
def test_impossible_record_size_is_a_mistake(record_size: int) -> None:
    with pytest.raises(ValueError, match="record size"):
        encrypt_batch([], [], [], record_size=record_size)


def test_unknown_route_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="no encryption route 'scenic' here, but points, evp"):
        encrypt_batch([], [], [], route="scenic")


def test_anything_but_bytes_is_a_mistake() -> None:
    receiver = make_receiver()
    with pytest.raises(TypeError):
        encrypt_batch(["text"], [receiver.public], [receiver.auth_secret])  # type: ignore[list-item]


ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@pytest.mark.parametrize("scalar", [0, ORDER, 2**256 - 1])
def test_a_given_key_must_be_one(scalar: int) -> None:
    receiver = make_receiver()
    with pytest.raises(ValueError, match="no private key on P-256"):
        encrypt_reproducibly(
            b"", receiver.public, receiver.auth_secret, as_private=scalar.to_bytes(32, "big"), salt=bytes(16)
        )


@ROUTES
@pytest.mark.parametrize("scalar", [1, 2, ORDER - 1])
def test_outermost_keys_work(route: str, scalar: int) -> None:
    receiver = make_receiver()
    bodies, _ = encrypt_reproducibly(
        b"x",
        receiver.public,
        receiver.auth_secret,
        as_private=scalar.to_bytes(32, "big"),
        salt=bytes(16),
        route=route,
    )
    assert receiver.decrypt(bodies[0]) == b"x"


@ROUTES
def test_pool_holds_no_more_than_its_capacity_and_gives_each_key_once(
    route: str, receivers: list[Receiver], live_before: dict[str, int]
) -> None:
    pool = KeyPool(50, route=route)
    assert (pool.fill(20), pool.fill(100), pool.fill(1), pool.fill(-1)) == (20, 30, 0, 0)
    assert repr(pool) == "<KeyPool with 50 of 50 keys ready>"
    bodies = encrypt_for(receivers[:40], [b""] * 40, pool=pool)
    assert len(pool) == 10
    bodies += encrypt_for(receivers[:40], [b""] * 40, pool=pool)  # ten from the pool, thirty fresh ones
    assert len(pool) == 0
    assert len(keys(bodies)) == 80
    assert decrypt_all(receivers[:40] * 2, bodies) == [b""] * 80
    assert live_objects()["key_pools"] == live_before["key_pools"] + 1
    del pool
    assert live_objects() == live_before


@pytest.mark.parametrize("capacity", [0, -1, 1_000_001])
def test_impossible_capacity_is_a_mistake(capacity: int) -> None:
    with pytest.raises(ValueError, match="a pool of"):
        KeyPool(capacity)


def test_keys_stay_with_the_process_that_made_them(receivers: list[Receiver]) -> None:
    pool = KeyPool(3)
    pool.fill(3)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        left = len(pool)
        bodies = encrypt_for(receivers[:3], [b""] * 3, pool=pool)
        os.write(writer, bytes((left,)) + b"".join(sorted(keys(bodies))))
        os._exit(0)
    os.close(writer)
    with open(reader, "rb") as pipe:  # noqa: PTH123 - a descriptor
        told = pipe.read()
    assert os.waitpid(child, 0)[1] == 0
    assert told[0] == 0
    childs_keys = {told[start : start + 65] for start in range(1, len(told), 65)}
    own_keys = keys(encrypt_for(receivers[:3], [b""] * 3, pool=pool))
    assert len(childs_keys | own_keys) == 6


def test_threads_share_a_pool_and_get_right_bodies(receivers: list[Receiver]) -> None:
    pool = KeyPool(200)
    gathered: list[list[bytes]] = []

    def work() -> None:
        for _ in range(6):
            pool.fill(40)
            gathered.append(encrypt_for(receivers, [b"%d" % row for row in range(ROWS)], pool=pool))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(gathered) == 12
    for bodies in gathered:
        assert decrypt_all(receivers, bodies) == [b"%d" % row for row in range(ROWS)]
    everything = [body for bodies in gathered for body in bodies]
    assert len(keys(everything)) == len(salts(everything)) == 12 * ROWS


def test_every_allocation_may_fail(receivers: list[Receiver], live_before: dict[str, int]) -> None:
    nth = left = 0
    while left == 0:
        nth += 1
        fail_allocation_after(nth)
        try:
            pool = KeyPool(5)
            pool.fill(5)
            encrypt_for(receivers[:9], [b""] * 9, pool=pool)
            failed = False
            del pool
        except MemoryError:
            failed = True
        left = fail_allocation_after(-1)
        pool = None  # type: ignore[assignment]
        assert failed is (left == 0)
        assert live_objects() == live_before
    assert nth == 6
