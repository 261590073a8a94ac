"""A checkout with its own environment, in which a bench is run as its user would."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

GATE_MISSED = 1
"""A bench's exit code when it measured and a gate of its own was missed: the figures stand all the same."""


class TreeError(Exception):
    """A tree can't be measured; the message names it and says what to do."""


class Tree:
    """One of the two checkouts."""

    def __init__(self, folder: Path) -> None:
        """Find its program. Raises TreeError where there is no built checkout."""
        self.folder = folder.resolve()
        self._program = self.folder / ".venv" / "bin" / "pushmill"
        if not self._program.is_file():
            raise TreeError(f"{folder}: no built checkout (.venv/bin/pushmill is missing): run `make setup` there")

    def commit(self) -> str:
        """Return the short name of its commit, with a ``+`` where files differ from it; "unknown" outside git."""
        git = shutil.which("git")
        if git is None:
            return "unknown"

        def ask(*words: str) -> str | None:
            asked = subprocess.run(  # noqa: S603 - our own words
                [git, "-C", str(self.folder), *words], check=False, capture_output=True, text=True
            )
            return asked.stdout.strip() if asked.returncode == 0 else None

        name = ask("rev-parse", "--short", "HEAD")
        if name is None:
            return "unknown"
        return f"{name}+" if ask("status", "--porcelain", "--untracked-files=no") else name

    def prepare(self, bench: str) -> None:
        """Have it build what has changed, outside the measured runs. Raises TreeError where it has no such bench."""
        status, _, said = self._start("bench", bench, "--help")
        if status != 0:
            raise TreeError(f"{self.folder}: `pushmill bench {bench}` can't be started there: {_last_line(said)}")

    def measure(self, bench: str, arguments: Sequence[str]) -> dict[str, Any]:
        """Run the bench once and return its JSON. Raises TreeError when it measured nothing."""
        status, printed, said = self._start("bench", bench, "--json", *arguments)
        if status not in {0, GATE_MISSED}:
            raise TreeError(f"{self.folder}: `pushmill bench {bench}` ended with status {status}: {_last_line(said)}")
        try:
            return msgspec.json.decode(printed, type=dict[str, Any])
        except msgspec.DecodeError as error:
            raise TreeError(f"{self.folder}: `pushmill bench {bench} --json` printed no JSON: {error}") from error

    def _start(self, *words: str) -> tuple[int, bytes, str]:
        """Run its program to the end, or end it with us."""
        with subprocess.Popen(  # noqa: S603 - the tree's own program
            [self._program, *words], cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            try:
                printed, said = process.communicate()
            except BaseException:
                process.terminate()  # the bench ends what it has started, and is waited for
                raise
        return process.returncode, printed, said.decode(errors="replace")


def _last_line(said: str) -> str:
    lines = [line for line in said.splitlines() if line.strip()]
    return lines[-1].strip() if lines else "it said nothing"
