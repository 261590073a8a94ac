"""Who encrypts: our batches, inline and from a pool and in threads, and pywebpush; each for a while, told as a rate."""

import base64
import os
import threading
import time
from collections.abc import Callable
from typing import NamedTuple, Self

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pywebpush import WebPusher  # type: ignore[import-untyped]

from bench.simulators.webpush.decoder import DecryptionError, decrypt_push
from native import KeyPool, encrypt_batch

SUBSCRIPTIONS = 64
"""Rows of a batch, as a worker thread takes them: each to another receiver."""

_POOL_BATCHES = 40


class Rate(NamedTuple):
    """Messages per second of CPU time, of all threads, and of wall time."""

    per_cpu_second: float
    per_second: float


class Workload:
    """Receivers and one plaintext of so many bytes for each."""

    def __init__(self, plaintext_bytes: int) -> None:
        self._receivers = [ec.generate_private_key(ec.SECP256R1()) for _ in range(SUBSCRIPTIONS)]
        self.publics = [
            key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint) for key in self._receivers
        ]
        self.auth_secrets = [os.urandom(16) for _ in self._receivers]
        self.plaintexts = [os.urandom(plaintext_bytes) for _ in self._receivers]
        self._pushers = [self._make_pusher(row) for row in range(SUBSCRIPTIONS)]

    def _make_pusher(self, row: int) -> WebPusher:
        """Make pywebpush's object for a subscription; it decodes base64 here, outside what is measured."""
        public, auth_secret = (
            base64.urlsafe_b64encode(value).decode().rstrip("=")
            for value in (self.publics[row], self.auth_secrets[row])
        )
        return WebPusher({"endpoint": "https://push.example.net/x", "keys": {"p256dh": public, "auth": auth_secret}})

    def encrypt(self, pool: KeyPool | None = None) -> list[bytes]:
        """Encrypt a batch with ours."""
        return encrypt_batch(self.plaintexts, self.publics, self.auth_secrets, pool=pool).bodies

    def encrypt_with_pywebpush(self) -> list[bytes]:
        """Encrypt the same with pywebpush: key, salt and body, nothing else."""
        return [
            pusher.encode(plaintext)["body"] for pusher, plaintext in zip(self._pushers, self.plaintexts, strict=True)
        ]

    def is_encrypted(self, bodies: list[bytes]) -> bool:
        """Whether every receiver reads its plaintext."""
        try:
            read = [
                decrypt_push(body, key, auth_secret)
                for body, key, auth_secret in zip(bodies, self._receivers, self.auth_secrets, strict=True)
            ]
        except DecryptionError:
            return False
        return read == self.plaintexts


class _Clock:
    """What a piece of work took."""

    def __enter__(self) -> Self:
        self._cpu, self._wall = time.process_time(), time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.cpu_seconds = time.process_time() - self._cpu
        self.wall_seconds = time.perf_counter() - self._wall

    def rate(self, messages: int) -> Rate:
        return Rate(messages / self.cpu_seconds, messages / self.wall_seconds)


def _repeat(encrypt: Callable[[], list[bytes]], seconds: float) -> int:
    """Encrypt batch after batch for a while; return the number of messages."""
    ends_at, messages = time.perf_counter() + seconds, 0
    while time.perf_counter() < ends_at:
        messages += len(encrypt())
    return messages


def measure(encrypt: Callable[[], list[bytes]], *, seconds: float, threads: int = 1) -> Rate:
    """Run one contender in so many threads."""
    counts = [0] * threads

    def work(thread: int) -> None:
        counts[thread] = _repeat(encrypt, seconds)

    encrypt()
    workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    with _Clock() as clock:
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    return clock.rate(sum(counts))


def measure_burst(workload: Workload, *, seconds: float) -> Rate:
    """Encrypt with keys made ahead; making them is outside what is measured."""
    pool = KeyPool(SUBSCRIPTIONS * _POOL_BATCHES)
    messages, cpu_seconds, wall_seconds = 0, 0.0, 0.0
    while wall_seconds < seconds:
        pool.fill(pool.capacity)
        with _Clock() as clock:
            for _ in range(_POOL_BATCHES):
                messages += len(workload.encrypt(pool))
        cpu_seconds += clock.cpu_seconds
        wall_seconds += clock.wall_seconds
    return Rate(messages / cpu_seconds, messages / wall_seconds)
