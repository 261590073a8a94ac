"""`pushmill bench compare`: two checkouts, the same bench in both in turn."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.output import AsJson, print_json, progress, run_interruptibly

if TYPE_CHECKING:
    from bench.measurements.compare import CompareReport

UNDECIDED = 3


def compare(
    context: typer.Context,
    tree_a: Annotated[Path, typer.Argument(metavar="TREE_A", help="A built checkout: the one before.")],
    tree_b: Annotated[Path, typer.Argument(metavar="TREE_B", help="A built checkout: the one after.")],
    bench: Annotated[
        str, typer.Argument(metavar="BENCH", help="gateway, session, queued, journal, recovery, idle or encrypt.")
    ],
    *,
    as_json: AsJson = False,
    pairs: Annotated[int, typer.Option(min=6, max=100, help="How often both are measured.")] = 10,
    at_most: Annotated[
        float | None, typer.Option(min=0.01, max=100, help="How many times as dear B may be as A; sets the exit code.")
    ] = None,
    figure: Annotated[str, typer.Option(help="Hold only figures with this in their name to --at-most.")] = "",
) -> None:
    """Measure two checkouts by the same bench in turn, A B, B A, …, and tell each figure's ratio with its interval.

    What stands after `--` is handed to the bench:

        pushmill bench compare ../before . gateway --at-most 1.05 -- --notifications 100000

    A checkout of an older commit is made by `git worktree add ../before COMMIT && make -C ../before setup`. The ratio
    is the median of the pairs' own, the interval holds it with 95 %. Progress goes to stderr.

    With --at-most the exit code is 0 when the whole interval keeps the limit, 1 when all of it is beyond, 3 when the
    limit lies within (more pairs, or a quieter machine, would tell); without it, 0. It is 2 when it could not be
    measured, 130 after Ctrl-C.
    """
    from bench.measurements.compare import COMPARED, Limit, TreeError, run

    if bench not in COMPARED:
        raise typer.BadParameter(f"{bench!r} is not one of {', '.join(COMPARED)}", param_hint="BENCH")
    limit = None if at_most is None else Limit(at_most, figure)
    try:
        report = run_interruptibly(
            lambda: run(tree_a, tree_b, bench, arguments=context.args, pairs=pairs, limit=limit, progress=progress)
        )
    except TreeError as error:
        typer.echo(f"bench compare: {error}", err=True)
        raise typer.Exit(2) from None
    if as_json:
        print_json(report)
    else:
        _print_tables(report)
    if code := _exit_code(report):
        raise typer.Exit(code)


def _exit_code(report: "CompareReport") -> int:
    return {"broken": 1, "undecided": UNDECIDED}.get(report.against_limit or "", 0)


def _print_tables(report: "CompareReport") -> None:
    from rich.console import Console

    from bench.measurements.compare.table import compare_tables

    Console().print(compare_tables(report))
