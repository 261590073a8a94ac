"""A simulator as a process: what goes wrong told in one line, the facts as JSON, an end by signal, a summary."""

import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import typer

if TYPE_CHECKING:
    from bench.simulators.server import Section, Simulator

    ScenarioT = TypeVar("ScenarioT", bound=Section)

RunningT = TypeVar("RunningT")

INTERRUPTED = 130  # what a shell reports for a command that Ctrl-C ended


@contextmanager
def telling_faults(provider: str) -> Iterator[None]:
    """Tell what a user can mend in one line, naming the file or address, and exit with 2."""
    from bench.simulators.server import ScenarioError

    command = f"pushmill simulate {provider}"
    try:
        yield
    except ScenarioError as error:
        typer.echo(f"{command}: {error}", err=True)
        raise typer.Exit(2) from None
    except OSError as error:
        place = f"{error.filename}: " if error.filename is not None else ""
        typer.echo(f"{command}: {place}{error.strerror or error}", err=True)
        raise typer.Exit(2) from None
    except KeyboardInterrupt:  # before it listened: afterwards a signal is its good end
        raise typer.Exit(INTERRUPTED) from None


def read_scenario(path: Path | None, kind: "type[ScenarioT]") -> "ScenarioT":
    """Read a scenario of this kind; without a file that of a healthy server."""
    from bench.simulators.server import load_scenario

    return load_scenario(path, kind) if path is not None else kind()


def serve(
    make: Callable[[], AbstractAsyncContextManager[RunningT]],
    describe: Callable[[RunningT], Mapping[str, object]],
    list_simulators: Callable[[RunningT], "Mapping[str, Simulator[Any]]"],
) -> None:
    """Print what ``describe`` tells once everything listens, serve until a signal, and sum up each simulator."""
    import trio

    trio.run(_serve, make, describe, list_simulators)


async def _serve(
    make: Callable[[], AbstractAsyncContextManager[RunningT]],
    describe: Callable[[RunningT], Mapping[str, object]],
    list_simulators: Callable[[RunningT], "Mapping[str, Simulator[Any]]"],
) -> None:
    import trio

    async with make() as running:
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            _announce(describe(running))
            async for _ in signals:
                break
    for name, simulator in list_simulators(running).items():
        typer.echo((f"{name}: " if name else "") + simulator.statistics().summary(), err=True)


def _announce(facts: Mapping[str, object]) -> None:
    import orjson

    sys.stdout.buffer.write(orjson.dumps(facts, option=orjson.OPT_APPEND_NEWLINE))
    sys.stdout.buffer.flush()
