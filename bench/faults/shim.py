"""The failing disk: builds `shim.c`, and writes the environment under which a program meets it.

    shim = FaultShim(folder=journal, rules=[Rule("sync", "journal.db-wal", 3, "error", errno.EIO)], trace_file=trace)
    command = shim.wrap([sys.executable, "-m", "gateway.cli", "serve", …])

The shim is built by the machine's C compiler when it is first asked for, into the user's temporary folder.
"""

import hashlib
import os
import shlex
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec

SOURCES = tuple(Path(__file__).with_name(name) for name in ("shim.c", "shim_rules.c", "shim_rules.h"))
_FLAGS = ("-shared", "-fPIC", "-O2", "-std=gnu11", "-Wall", "-Wextra")


Operation = Literal["write", "sync", "name"]
Action = Literal["error", "sleep", "swallow", "kill", "killafter"]


class ShimError(Exception):
    """The shim can't be built on this machine."""


class Rule(msgspec.Struct, frozen=True):
    """What becomes of the ``at``-th call of an operation on files whose name inside the folder matches ``pattern``.

    ``argument`` is the errno of ``error`` and the milliseconds of ``sleep``. ``kill`` dies in place of the call,
    ``killafter`` once it is done; ``swallow`` says yes and does nothing.
    """

    operation: Operation
    pattern: str
    at: int
    action: Action
    argument: int = 0
    and_after: bool = False

    def __str__(self) -> str:
        count = f"{self.at}+" if self.and_after else str(self.at)
        return f"{self.operation} {self.pattern} {count} {self.action} {self.argument}"


class FaultShim(msgspec.Struct, frozen=True, kw_only=True):
    """A folder whose calls are watched, spoiled and traced; see `shim.c` for the fields."""

    folder: Path
    rules: Sequence[Rule] = ()
    limit_file: Path | None = None
    trace_file: Path | None = None
    marks_file: Path | None = None

    def environment(self) -> dict[str, str]:
        """Return the variables for a program that is to meet it; builds the shim. Raises ShimError."""
        files = {"FAULTS_LIMIT": self.limit_file, "FAULTS_TRACE": self.trace_file, "FAULTS_MARKS": self.marks_file}
        return {
            "LD_PRELOAD": str(build_shim()),
            "FAULTS_FOLDER": str(self.folder.resolve()),
            "FAULTS_RULES": "; ".join(map(str, self.rules)),
            **{name: str(file.resolve()) for name, file in files.items() if file is not None},
        }

    def wrap(self, command: Sequence[str]) -> list[str]:
        """Return a command line that runs another one under the shim, in the same process."""
        return ["env", *(f"{name}={value}" for name, value in self.environment().items()), *command]


def build_shim() -> Path:
    """Return the shim as a shared library, built if these sources were not built before. Raises ShimError."""
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in SOURCES)).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"pushmill-faults-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    library = folder / f"shim-{digest}.so"
    if not library.exists():
        # Under a name of its own first: two builders at once both end with a whole file.
        unfinished = library.with_suffix(f".{os.getpid()}")
        units = [str(source) for source in SOURCES if source.suffix == ".c"]
        _compile([os.environ.get("CC", "cc"), *_FLAGS, "-o", str(unfinished), *units, "-ldl", "-pthread"])
        unfinished.rename(library)
    return library


def _compile(command: Sequence[str]) -> None:
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - our own source
    except OSError as error:
        raise ShimError(f"{command[0]}: {error.strerror}; a C compiler is needed") from error
    if done.returncode != 0:
        raise ShimError(f"{shlex.join(command)}:\n{done.stderr}")
