"""Runs the bench in both trees in turn: A B, B A, and so on."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.measurements.compare.figures import COMPARED, Figure
from bench.measurements.compare.report import ComparedTree, CompareReport, Limit, compare_figures
from bench.measurements.compare.tree import Tree, TreeError
from bench.measurements.machine import describe_machine

Progress = Callable[[str], None]


def run(
    a: Path,
    b: Path,
    bench: str,
    *,
    arguments: Sequence[str],
    pairs: int,
    limit: Limit | None,
    progress: Progress,
) -> CompareReport:
    """Measure ``pairs`` times (at least six) and compare; ``progress`` gets a line for each run.

    Raises TreeError when a tree is not built, has no such bench, or the bench could not measure there.
    """
    machine, began = describe_machine((), {}), time.monotonic()
    trees = {"A": Tree(a), "B": Tree(b)}
    for tree in trees.values():
        tree.prepare(bench)
    seen: list[tuple[list[Figure], list[Figure]]] = []
    for number in range(pairs):
        figures = {}
        for name in ("A", "B") if number % 2 == 0 else ("B", "A"):
            progress(f"pair {number + 1} of {pairs}: {name}, {trees[name].folder}")
            figures[name] = _read(trees[name], bench, arguments)
        seen.append((figures["A"], figures["B"]))
    compared, left_out = compare_figures(seen, limit)
    if limit is not None and all(each.against_limit is None for each in compared):
        raise TreeError(f"no figure of both trees has {limit.part!r} in its name: {_list_names(seen)}")
    return CompareReport(
        bench=bench,
        arguments=list(arguments),
        a=ComparedTree(folder=str(a), commit=trees["A"].commit()),
        b=ComparedTree(folder=str(b), commit=trees["B"].commit()),
        pairs=pairs,
        limit=limit,
        figures=compared,
        left_out=left_out,
        seconds=round(time.monotonic() - began, 1),
        machine=machine,
    )


def _read(tree: Tree, bench: str, arguments: Sequence[str]) -> list[Figure]:
    report = tree.measure(bench, arguments)
    try:
        return list(COMPARED[bench](report))
    except (KeyError, TypeError) as error:
        raise TreeError(
            f"{tree.folder}: `pushmill bench {bench} --json` has another form there: {error!r} is missing"
        ) from error


def _list_names(seen: Sequence[tuple[Sequence[Figure], Sequence[Figure]]]) -> str:
    return ", ".join(figure.name for figure in seen[0][0])
