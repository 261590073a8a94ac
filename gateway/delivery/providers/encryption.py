"""Encrypts Web Push bodies in worker threads of its own, beside the loop and without its lock.

Native code can't be interrupted and takes some 60 µs a row, so work comes in jobs of at most 50 rows: 3 ms, after which
whoever was cancelled goes. A job holds the interpreter's lock for its first and its last moment only.

The threads are as many as the setting says, and never have more than the job in hand: what else is to be encrypted
waits here, in the order in which lanes asked, and not in a thread where it would share the processor. So at most 50
rows a thread are on their way over all lanes.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from math import inf
from typing import Literal

import trio

from gateway.wakeup import Wakeup
from native import EncryptedBatch, KeyPool, encrypt_batch
from protocol.encryption import EncryptionRefusal
from protocol.providers.webpush import PADDING_BUCKETS_BYTES, Recipient

# Jobs of 20 rows encrypt a tenth less a second than those of 50; below that handing over costs more than it spreads.
MOST_JOB_ROWS = 50
LEAST_JOB_ROWS = 20
# Half a millisecond's work, so that a job that comes meanwhile hardly waits for it.
KEYS_PER_STEP = 50
# Without a job for so long, keys are made ahead: longer than a lane takes between two chunks of one campaign.
QUIET_SECONDS = 0.05
# A thread asks a busy loop for the interpreter's lock after this long. With Python's own 5 ms a loop that polls its
# sockets more often than that never gives way: two threads beside a busy loop were seen to encrypt 400 rows a second
# with 5 ms and with 0.5 ms, 10,000 with 0.2 ms.
SWITCH_INTERVAL_SECONDS = 0.0002


class Encryptor:
    """Encrypts for all lanes. ``run`` is to run as long as it is used.

    ``threads``: 0 for as many as this process may use cores. ``ready_keys``: how many keys are made ahead in idle
    time. ``padding`` "buckets" hides the lengths of what is said.
    """

    def __init__(self, *, threads: int, ready_keys: int, padding: Literal["off", "buckets"]) -> None:
        self._threads = threads or len(os.sched_getaffinity(0))
        self._limiter = trio.CapacityLimiter(self._threads)
        self._keys = KeyPool(ready_keys) if ready_keys else None
        self._padded_lengths = PADDING_BUCKETS_BYTES if padding == "buckets" else ()
        self._jobs = 0
        self._last_job_at = -inf
        self._keys_taken = Wakeup()

    def __repr__(self) -> str:
        return f"<Encryptor {self._jobs} jobs for {self._threads} threads, {self.ready_keys} keys ready>"

    @property
    def ready_keys(self) -> int:
        """Keys that wait to be used."""
        return 0 if self._keys is None else len(self._keys)

    async def encrypt(self, plaintexts: Sequence[bytes], recipients: Sequence[Recipient]) -> EncryptedBatch:
        """Return the bodies of rows, and which of them can't be encrypted. Cancelled, it returns after a job's time."""
        rows = len(plaintexts)
        bodies: list[bytes] = [b""] * rows
        refusals: dict[int, EncryptionRefusal] = {}

        async def encrypt_some(start: int, stop: int) -> None:
            some = await self._work(plaintexts[start:stop], recipients[start:stop])
            bodies[start:stop] = some.bodies
            refusals.update((start + row, refusal) for row, refusal in some.refusals.items())

        job_rows = min(MOST_JOB_ROWS, max(LEAST_JOB_ROWS, -(-rows // self._threads)))
        async with trio.open_nursery() as nursery:
            for start in range(0, rows, job_rows):
                nursery.start_soon(encrypt_some, start, min(rows, start + job_rows))
        return EncryptedBatch(bodies, refusals)

    async def _work(self, plaintexts: Sequence[bytes], recipients: Sequence[Recipient]) -> EncryptedBatch:
        job = partial(
            encrypt_batch,
            plaintexts,
            [recipient.public_key for recipient in recipients],
            [recipient.auth_secret for recipient in recipients],
            padded_lengths=self._padded_lengths,
            pool=self._keys,
        )
        self._jobs += 1
        try:
            return await trio.to_thread.run_sync(job, limiter=self._limiter)
        finally:
            self._jobs -= 1
            self._last_job_at = trio.current_time()
            self._keys_taken.set()

    async def run(self) -> None:
        """Make keys ahead whenever there is nothing else to do, until cancelled."""
        with _switching_sooner():
            while self._keys is not None:
                await self._fill(self._keys)
                await self._keys_taken.wait()
            await trio.sleep_forever()

    async def _fill(self, keys: KeyPool) -> None:
        while len(keys) < keys.capacity:
            if self._jobs or trio.current_time() - self._last_job_at < QUIET_SECONDS:
                await trio.sleep(QUIET_SECONDS)
            else:
                await trio.to_thread.run_sync(keys.fill, KEYS_PER_STEP, limiter=self._limiter)


@contextmanager
def _switching_sooner() -> Iterator[None]:
    """Let threads have the interpreter's lock sooner, in the whole process."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(min(before, SWITCH_INTERVAL_SECONDS))
    try:
        yield
    finally:
        sys.setswitchinterval(before)
