"""`make promises`: each promise in its long form, a round at a time, and a table of what is demanded and was seen.

    python -m bench.faults.promises [--only P1,P2] [--minutes 10] [--results FILE] [--table]

Every round is appended to the results file (see `results`). A run goes on where the last one on the same code stopped,
so the long form may be stopped at any time; the table adds up all rounds on the code as it is, and names older ones.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import structlog
import trio
from rich.console import Console
from rich.table import Table

from bench.faults.results import Record, Results
from bench.faults.rounds import PROMISES, Promise

DEFAULT_RESULTS = Path("build/promises.ndjson")


async def run_rounds(promises: Sequence[Promise], results: Results, deadline: float, console: Console) -> None:
    """Run what is missing, a round of each promise in turn, until the deadline (monotonic seconds)."""
    while missing := [promise for promise in promises if results.count(promise) < promise.demanded_count]:
        for promise in missing:
            if time.monotonic() >= deadline:
                return
            done = results.count(promise)
            console.print(f"{promise.number}: {done} of {promise.demanded_count} {promise.unit}")
            started_at = time.monotonic()
            with tempfile.TemporaryDirectory(prefix="pushmill-promises-") as folder:
                seen = await promise.run(Path(folder), done)
            results.add(promise, seen, time.monotonic() - started_at)
            for failure in seen.failures:
                console.print(f"  [red]{failure}")


def make_table(promises: Iterable[Promise], results: Results) -> tuple[Table, bool]:
    """Return the table of what is demanded, seen, and seen on other code; and whether every promise was kept."""
    table = Table("promise", "demanded", "seen", "kept", "on other code")
    is_kept = True
    for promise in promises:
        records = results.valid(promise)
        failures = sum(len(record.failures) for record in records)
        is_kept = is_kept and not failures
        table.add_row(
            promise.number,
            f"{promise.demanded_count} {promise.unit}: {promise.demanded}",
            _describe(promise, records),
            _judge(promise, records, failures),
            _describe_outdated(promise, results.outdated(promise)),
        )
    return table, is_kept


def _judge(promise: Promise, records: Sequence[Record], failures: int) -> str:
    if failures:
        return f"no: {failures} failures"
    if not records:
        return "not run"
    share = sum(record.count for record in records) / promise.demanded_count
    return "yes" if share >= 1 else f"so far, {share:.0%}"


def _describe_outdated(promise: Promise, records: Sequence[Record]) -> str:
    if not records:
        return ""
    last = max(records, key=lambda record: record.at)
    failures = sum(len(record.failures) for record in records)
    words = f"{sum(record.count for record in records)} {promise.unit}, last on {last.commit}, {last.at[:10]}"
    return f"{words}, {failures} failures" if failures else words


def _describe(promise: Promise, records: Sequence[Record]) -> str:
    words = [f"{sum(record.count for record in records)} {promise.unit}"]
    for name in dict.fromkeys(name for record in records for name in record.figures):
        values = [record.figures[name] for record in records if name in record.figures]
        total = max(values) if name.startswith("most ") else sum(values)
        words.append(f"{name} {total:g}")
    return ", ".join(words)


def find_commit() -> str:
    """Return the commit of the tree that is run, with a plus where it was changed since."""
    revision = _ask_git("rev-parse", "--short", "HEAD") or "unknown"
    return revision + ("+" if _ask_git("status", "--porcelain", "--untracked-files=no") else "")


def _ask_git(*words: str) -> str:
    done = subprocess.run(["git", *words], check=False, capture_output=True, text=True)  # noqa: S603, S607 - our words
    return done.stdout.strip()


def main() -> None:
    """Run and print; exit code 1 when a promise is broken."""
    parser = argparse.ArgumentParser(prog="python -m bench.faults.promises", description=__doc__)
    parser.add_argument("--only", default="", help="promises by number, separated by commas; all by default")
    parser.add_argument("--minutes", type=float, default=600.0, help="begin no round after so long")
    parser.add_argument("--results", type=Path, default=DEFAULT_RESULTS, help="where rounds are kept (NDJSON)")
    parser.add_argument("--table", action="store_true", help="only print the table of what was run before")
    arguments = parser.parse_args()
    # Engines that are opened in this process tell what they find wrong; that is looked for here, and counted.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    wanted = {number for number in arguments.only.split(",") if number}
    promises = [promise for promise in PROMISES if not wanted or wanted & set(promise.number.split())]
    results, console = Results(arguments.results, find_commit()), Console()
    if not arguments.table:
        deadline = time.monotonic() + arguments.minutes * 60
        trio.run(run_rounds, promises, results, deadline, console)
    table, is_kept = make_table(promises, results)
    console.print(table)
    sys.exit(0 if is_kept else 1)


if __name__ == "__main__":
    main()
