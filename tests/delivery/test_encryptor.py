"""Encryption beside the loop: whose body is whose, in which order, how much at once, and keys made ahead."""

import sys

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

import native
from gateway.delivery.providers import encryption
from gateway.delivery.providers.encryption import LEAST_JOB_ROWS, MOST_JOB_ROWS, Encryptor
from protocol.encryption import MOST_BODY_BYTES, MOST_PLAINTEXT_BYTES, EncryptionRefusal
from protocol.providers.webpush import Recipient
from tests.support.patience import HANG_SECONDS
from tests.support.webpush import make_receiver


@pytest.fixture(scope="module")
def receivers():
    return [make_receiver() for _ in range(120)]


def make_encryptor(threads=2, ready_keys=0, padding="off"):
    return Encryptor(threads=threads, ready_keys=ready_keys, padding=padding)


def address(receivers):
    return [Recipient(receiver.public, receiver.auth_secret, b"/x") for receiver in receivers]


def decrypt_all(receivers, bodies):
    return [receiver.decrypt(body) for receiver, body in zip(receivers, bodies, strict=True)]


@pytest.mark.parametrize("rows", [0, 1, 20, 50, 99, 120])
async def test_every_receiver_reads_its_own(receivers, rows):
    plaintexts = [b"for %d" % row for row in range(rows)]
    bodies, refusals = await make_encryptor().encrypt(plaintexts, address(receivers[:rows]))
    assert decrypt_all(receivers[:rows], bodies) == plaintexts
    assert refusals == {}


async def test_what_cannot_be_encrypted_is_refused_by_its_row_and_takes_no_other_along(receivers):
    recipients = address(receivers)
    recipients[3] = recipients[3]._replace(public_key=b"\x04" + b"\x01" * 64)
    recipients[119] = recipients[119]._replace(auth_secret=b"short")
    plaintexts = [b"hello"] * 120
    plaintexts[60] = b"x" * (MOST_PLAINTEXT_BYTES + 1)
    bodies, refusals = await make_encryptor().encrypt(plaintexts, recipients)
    assert refusals == {
        3: EncryptionRefusal.KEY_NOT_ON_CURVE,
        60: EncryptionRefusal.TOO_LONG,
        119: EncryptionRefusal.AUTH_LENGTH,
    }
    assert [row for row, body in enumerate(bodies) if not body] == [3, 60, 119]
    assert receivers[118].decrypt(bodies[118]) == b"hello"


@pytest.mark.parametrize(("padding", "lengths"), [("off", {103, 104, 603}), ("buckets", {231, 615})])
async def test_buckets_hide_the_length_of_what_is_said(receivers, padding, lengths):
    plaintexts = [b"", b"x", b"x" * 500]
    bodies, _ = await make_encryptor(padding=padding).encrypt(plaintexts, address(receivers[:3]))
    assert {len(body) for body in bodies} == lengths
    assert decrypt_all(receivers[:3], bodies) == plaintexts


async def test_the_longest_plaintext_still_fits_a_body_with_padding(receivers):
    plaintext = b"x" * MOST_PLAINTEXT_BYTES
    bodies, refusals = await make_encryptor(padding="buckets").encrypt([plaintext], address(receivers[:1]))
    assert (len(bodies[0]), refusals) == (MOST_BODY_BYTES, {})


class Held:
    """Stands before the native call: notes each job, and keeps its thread until it is let go."""

    def __init__(self, monkeypatch):
        self.jobs = []
        self.running = 0
        self.most_running = 0
        self._gate = trio.CapacityLimiter(1)
        self._open = trio.Event()
        monkeypatch.setattr(encryption, "encrypt_batch", self._encrypt)

    def _encrypt(self, plaintexts, *arguments, **options):
        trio.from_thread.run_sync(self._enter, plaintexts)
        trio.from_thread.run(self._open.wait)
        trio.from_thread.run_sync(self._leave)
        return native.encrypt_batch(plaintexts, *arguments, **options)

    def _enter(self, plaintexts):
        self.jobs.append(plaintexts)
        self.running += 1
        self.most_running = max(self.most_running, self.running)

    def _leave(self):
        self.running -= 1

    def let_go(self):
        self._open.set()


async def test_no_thread_has_more_than_one_job_and_no_job_more_than_fifty_rows(receivers, monkeypatch):
    held = Held(monkeypatch)
    encryptor = make_encryptor(threads=2)
    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(encryptor.encrypt, [b"x"] * 120, address(receivers))
        await wait_all_tasks_blocked(0.05)
        assert held.running == 2
        held.let_go()
    assert held.most_running == 2
    assert sum(map(len, held.jobs)) == 360
    assert max(map(len, held.jobs)) <= MOST_JOB_ROWS


async def test_a_chunk_is_spread_over_the_threads_there_are(receivers, monkeypatch):
    held = Held(monkeypatch)
    held.let_go()
    await make_encryptor(threads=16).encrypt([b"x"] * 100, address(receivers[:100]))
    assert [len(job) for job in held.jobs] == [LEAST_JOB_ROWS] * 5


async def test_lanes_take_their_turns_in_the_order_in_which_they_asked(receivers, monkeypatch):
    held = Held(monkeypatch)
    encryptor = make_encryptor(threads=1)
    async with trio.open_nursery() as nursery:
        for lane in (b"first", b"second", b"third"):
            nursery.start_soon(encryptor.encrypt, [lane], address(receivers[:1]))
            await wait_all_tasks_blocked(0.02)
        held.let_go()
    assert held.jobs == [[b"first"], [b"second"], [b"third"]]


async def test_a_cancelled_lane_gives_its_place_and_its_thread_back(receivers, monkeypatch):
    held = Held(monkeypatch)
    encryptor = make_encryptor(threads=1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(encryptor.encrypt, [b"cancelled"] * 120, address(receivers))
        await wait_all_tasks_blocked(0.05)
        nursery.cancel_scope.cancel()
        held.let_go()
    assert len(held.jobs) == 1
    with trio.fail_after(HANG_SECONDS):
        bodies, _ = await encryptor.encrypt([b"next"], address(receivers[:1]))
    assert receivers[0].decrypt(bodies[0]) == b"next"


# Keys made ahead


async def wait_until(condition):
    with trio.fail_after(HANG_SECONDS):
        while not condition():  # noqa: ASYNC110 - threads set no events
            await trio.sleep(0.005)


async def test_keys_are_made_ahead_up_to_the_setting_used_and_made_again(receivers):
    encryptor = make_encryptor(ready_keys=130)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(encryptor.run)
        await wait_until(lambda: encryptor.ready_keys == 130)
        bodies, _ = await encryptor.encrypt([b"hello"] * 120, address(receivers))
        assert encryptor.ready_keys == 10
        assert decrypt_all(receivers, bodies) == [b"hello"] * 120
        await wait_until(lambda: encryptor.ready_keys == 130)
        nursery.cancel_scope.cancel()


async def test_no_keys_are_made_while_something_is_to_be_encrypted(receivers, monkeypatch, autojump_clock):
    encryptor = make_encryptor(ready_keys=10)
    held = Held(monkeypatch)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(encryptor.encrypt, [b"hello"], address(receivers[:1]))
        await wait_all_tasks_blocked()
        nursery.start_soon(encryptor.run)
        await trio.sleep(5)
        assert encryptor.ready_keys == 0
        held.let_go()
        await wait_until(lambda: encryptor.ready_keys == 10)
        nursery.cancel_scope.cancel()


async def test_without_ready_keys_nothing_is_made_ahead(receivers):
    encryptor = make_encryptor(ready_keys=0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(encryptor.run)
        await wait_all_tasks_blocked()
        bodies, _ = await encryptor.encrypt([b"hello"], address(receivers[:1]))
        nursery.cancel_scope.cancel()
    assert (encryptor.ready_keys, receivers[0].decrypt(bodies[0])) == (0, b"hello")


async def test_threads_get_the_interpreter_sooner_for_as_long_as_there_is_something_to_encrypt():
    before = sys.getswitchinterval()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(make_encryptor().run)
        await wait_all_tasks_blocked()
        assert sys.getswitchinterval() == pytest.approx(encryption.SWITCH_INTERVAL_SECONDS)
        nursery.cancel_scope.cancel()
    assert sys.getswitchinterval() == before
