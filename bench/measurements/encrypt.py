"""What a Web Push message costs to encrypt, against OpenSSL's bare key agreement and against pywebpush.

One thread is compared by CPU time, as `openssl speed` tells it, so that neighbours on the machine matter little. Two
threads are compared by wall time, for waiting on each other is what scaling would be lost to. All take turns within a
round, and ratios are taken within it.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime

from bench.measurements.clients.encryption import SUBSCRIPTIONS, Workload, measure, measure_burst
from bench.measurements.clients.openssl_speed import measure_ecdh, openssl_version
from bench.measurements.encrypt_report import EncryptReport, EncryptRound, build_report
from bench.measurements.machine import describe_machine
from bench.measurements.measure import MeasurementError
from gateway.clock import SystemClock

Progress = Callable[[str], None]


def audit(workload: Workload) -> None:
    """Prove that both contenders encrypt what is compared. Raises MeasurementError."""
    if not workload.is_encrypted(workload.encrypt()):
        raise MeasurementError("native.encrypt_batch gave bodies that their receivers can't read")
    if not workload.is_encrypted(workload.encrypt_with_pywebpush()):
        raise MeasurementError("pywebpush gave bodies that their receivers can't read")


def _measure_round(short: Workload, long: Workload, seconds: int) -> EncryptRound:
    """Let everyone run once, with what is divided by each other side by side."""
    openssl = measure_ecdh(seconds=seconds)
    encrypted = measure(short.encrypt, seconds=seconds)
    encrypted_long = measure(long.encrypt, seconds=seconds)
    burst = measure_burst(short, seconds=seconds)
    openssl_again = measure_ecdh(seconds=seconds)
    return EncryptRound(
        openssl_ecdh=(openssl + openssl_again) / 2,
        encrypt_200_bytes=encrypted.per_cpu_second,
        encrypt_3000_bytes=encrypted_long.per_cpu_second,
        burst_200_bytes=burst.per_cpu_second,
        pywebpush_200_bytes=measure(short.encrypt_with_pywebpush, seconds=seconds).per_cpu_second,
        openssl_ecdh_wall=measure_ecdh(seconds=seconds, elapsed=True),
        encrypt_200_bytes_wall=measure(short.encrypt, seconds=seconds).per_second,
        encrypt_200_bytes_two_threads_wall=measure(short.encrypt, seconds=seconds, threads=2).per_second,
        openssl_ecdh_two_processes_wall=measure_ecdh(seconds=seconds, elapsed=True, processes=2),
    )


def run(*, rounds: int, seconds: int, progress: Progress) -> EncryptReport:
    """Measure over ``rounds`` rounds, everyone ``seconds`` at a time. Raises MeasurementError."""
    started_at, started = datetime.fromtimestamp(SystemClock().wall(), UTC), time.monotonic()
    machine = describe_machine(["pushmill", "pywebpush", "cryptography"], {"openssl speed": openssl_version()})
    short, long = Workload(200), Workload(3000)
    progress("audit: do the receivers read what is encrypted?")
    audit(short)
    audit(long)
    measured = []
    for number in range(rounds):
        measured.append(_measure_round(short, long, seconds))
        ours, theirs = measured[-1].encrypt_200_bytes, measured[-1].openssl_ecdh
        progress(
            f"round {number + 1} of {rounds}: {ours:,.0f} messages, {theirs:,.0f} bare key agreements a CPU second"
        )
    return build_report(
        measured,
        batch_rows=SUBSCRIPTIONS,
        machine=machine,
        started_at=started_at,
        seconds=time.monotonic() - started,
    )
