"""Commands that need the extra `bench`: simulators, load tools and yardsticks that a gateway does without."""

import re
from importlib.metadata import PackageNotFoundError, distribution, requires
from typing import Any

import typer
from typer.core import TyperCommand

MISSING = 1
_OF_BENCH = re.compile(r"([\w.-]+).*;\s*extra == [\"']bench[\"']")


class BenchCommand(TyperCommand):
    """A command that says in one line what to install where the extra is missing. Its ``--help`` needs nothing."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 (typer has no public type for it)
        """Run it, or end with exit code 1."""
        if missing := find_missing():
            names = ", ".join(missing)
            typer.echo(f"{ctx.command_path}: needs {names}; install with: pip install 'pushmill[bench]'", err=True)
            raise typer.Exit(MISSING)
        return super().invoke(ctx)


def find_missing() -> list[str]:
    """Return what the extra requires and is not installed."""
    found = (_OF_BENCH.match(requirement) for requirement in requires("pushmill") or ())
    return [match[1] for match in found if match is not None and not _is_installed(match[1])]


def _is_installed(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True
