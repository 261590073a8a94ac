"""Commands that other packages bring along: they register by entry points, and are imported when asked for.

An entry point of the group ``pushmill.commands`` names a `typer.Typer`: one with a single command becomes that command,
one with several a group of them.
"""

from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import typer
from typer.core import TyperGroup

GROUP = "pushmill.commands"
MISSING = 1
_ANY_WORDS = {"ignore_unknown_options": True, "allow_extra_args": True}


class CommandGroup(TyperGroup):
    """The gateway's own commands and the registered ones. Of the latter only the one that is run is imported."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401 (typer has no public type for it)
        """Return the names: the gateway's own in their order, then the registered ones by name."""
        return [*super().list_commands(ctx), *self._registered]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401 (as above)
        """Return a command, or None if there is none of this name."""
        if cmd_name in self._registered:
            command = typer.main.get_command(_load(self._registered[cmd_name]))
            command.name = cmd_name
            return command
        return super().get_command(ctx, cmd_name)

    @cached_property
    def _registered(self) -> dict[str, EntryPoint]:
        """Return them by name; none takes the place of a command of the gateway."""
        found = sorted(entry_points(group=GROUP), key=lambda entry: entry.name)
        return {entry.name: entry for entry in found if entry.name not in self.commands}


def _load(entry: EntryPoint) -> typer.Typer:
    """Return what is registered; where its package was left out, a command that says so and ends with exit code 1."""
    try:
        return entry.load()  # type: ignore[no-any-return]
    except ModuleNotFoundError as error:
        return _make_absent(entry.name, str(error))


def _make_absent(name: str, reason: str) -> typer.Typer:
    absent = typer.Typer(add_completion=False)

    @absent.command(help=f"Not installed here: {reason}.", context_settings=_ANY_WORDS)
    def tell() -> None:
        typer.echo(f"pushmill {name}: not installed here: {reason}", err=True)
        raise typer.Exit(MISSING)

    return absent
