"""Which machine a figure is from: a report without it is a rumour."""

import os
import platform
import socket
import ssl
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path

import msgspec


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """Name, processor and versions; ``load_average`` is the last minute's when the run began."""

    name: str
    processor: str
    cores: int
    kernel: str
    load_average: float
    versions: dict[str, str]


def _processor() -> str:
    """Return the processor's name as Linux has it."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        label, _, value = line.partition(":")
        if label.strip() == "model name":
            return value.strip()
    return platform.machine()


def describe_machine(packages: Iterable[str], programs: Mapping[str, str]) -> Machine:
    """Describe this machine, with the installed versions of ``packages`` and the known ones of ``programs``."""
    versions = {"python": platform.python_version(), "openssl": ssl.OPENSSL_VERSION}
    return Machine(
        name=socket.gethostname(),
        processor=_processor(),
        cores=os.cpu_count() or 1,
        kernel=platform.release(),
        load_average=round(os.getloadavg()[0], 2),
        versions=versions | {name: metadata.version(name) for name in packages} | dict(programs),
    )
