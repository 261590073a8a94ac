"""OpenSSL's own measure of P-256 key agreement: the yardstick of encryption, which must do that much at least."""

import shutil
import subprocess

from bench.measurements.measure import MeasurementError


def find_openssl() -> str:
    """Return the program's path. Raises MeasurementError."""
    program = shutil.which("openssl")
    if program is None:
        raise MeasurementError("openssl is missing; install it: apt-get install openssl")
    return program


def openssl_version() -> str:
    """Return the installed version. Raises MeasurementError."""
    done = subprocess.run([find_openssl(), "version"], capture_output=True, text=True, check=True)  # noqa: S603
    return done.stdout.split()[1]


def read_rate(output: str) -> float:
    """Read operations per second from what `openssl speed` printed last. Raises MeasurementError."""
    lines = output.strip().splitlines() or [""]
    try:
        return float(lines[-1].rsplit(maxsplit=1)[-1])
    except (IndexError, ValueError):
        raise MeasurementError(f"openssl speed ended with {lines[-1]!r}, not with a rate") from None


def measure_ecdh(*, seconds: int, elapsed: bool = False, processes: int = 1) -> float:
    """Return key agreements per second: of CPU time, or with ``elapsed`` of wall time. Raises MeasurementError."""
    command = [find_openssl(), "speed", "-seconds", str(seconds)]
    command += ["-elapsed"] * elapsed + ["-multi", str(processes)] * (processes > 1) + ["ecdhp256"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own options
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or ["nothing on stderr"]
        raise MeasurementError(f"openssl speed ended with status {done.returncode}: {said[-1]}")
    return read_rate(done.stdout)
