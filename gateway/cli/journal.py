"""`pushmill journal`: look at what is owed, take it out, look the files over, and mend them."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.journal_shape import find_states, is_gateway_at_work, print_shape, print_states

if TYPE_CHECKING:
    from gateway.journal.sqlite.care.survey import Owed, Survey

DEFAULT_CONFIG = Path("/etc/pushmill/gateway.toml")
IDS_SHOWN = 20

journal = typer.Typer(
    help=(
        "Look at the journal: what is owed, how old it is, whether the files are sound.\n\n"
        "`shape`, `find` and `export` only read, and may be used while the gateway runs. `purge`, `check`, `repair` "
        "and `upgrade` need it stopped, and say so. docs/journal.md tells what stands on the disk."
    ),
    no_args_is_help=True,
)

Config = Annotated[
    Path, typer.Option("--config", "-c", help="The gateway's settings: journal.directory.", envvar="PUSHMILL_CONFIG")
]
Directory = Annotated[
    Path | None, typer.Option("--directory", "-d", help="The journal's folder, instead of the one in the settings.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


@journal.command()
def shape(config: Config = DEFAULT_CONFIG, directory: Directory = None, as_json: AsJson = False) -> None:
    """Show how much is owed, by lane and age, and what the batch ids take that a repeat is known by.

    A healthy gateway has everything in the first column. A lane whose old columns grow is one whose provider does not
    answer, refuses the credentials, or is slower than what comes in; all lanes at once mean this machine or its link.

    Below it stands for each lane in trouble whether it is held and what for, its last error, how many of its rows were
    tried before, and when the next attempt is. The journal knows of the rows; the rest the gateway notes in lanes.json
    beside it, within seconds. Times are UTC.
    """
    from gateway.journal.sqlite.care.survey import AGES_SECONDS, Survey
    from gateway.telemetry.lane_notes import read_notes

    with _explained():
        folder = _find_folder(config, directory)
        survey = Survey(folder)
        now_ms = int(time.time() * 1000)
        counts = survey.count_by_age(now_ms)
        keys = survey.count_keys()
        is_at_work, notes = is_gateway_at_work(folder), read_notes(folder)
        states = find_states(survey.find_pending(now_ms), notes, now_ms)
    if as_json:
        _print_json(
            {
                "ages_seconds": AGES_SECONDS,
                "lanes": counts,
                "keys": keys,
                "states": states,
                "gateway_at_work": is_at_work,
                "noted_at": notes.written_at if notes else None,
            }
        )
    else:
        print_shape(counts)
        print_states(states, notes, is_at_work=is_at_work)
        typer.echo(f"{keys.kept:,} batch ids are kept; they count for {keys.counted_bytes:,} bytes")


@journal.command()
def find(
    config: Config = DEFAULT_CONFIG,
    directory: Directory = None,
    batch_id: Annotated[str | None, typer.Option("--batch-id", "-b", help="A batch by its batch_id.")] = None,
    notification_id: Annotated[str | None, typer.Option("--id", "-i", help="A notification by its id.")] = None,
) -> None:
    """Find a batch, or a notification that is owed; prints one JSON object a line.

    With --batch-id: how many of it were accepted, are owed, and have results that nobody has acknowledged. With --id:
    every owed notification of that id, in that batch if one is named too, with its attempts so far and when it is due.
    What has its result is no longer here: the exit code is 1 when nothing was found.
    """
    if batch_id is None and notification_id is None:
        raise typer.BadParameter("name a batch (--batch-id), a notification (--id), or both")
    with _explained():
        survey = _open_survey(config, directory)
        found: list[object]
        if notification_id is None:
            found = list(survey.find_batches(batch_id or ""))
        else:
            found = [owed for owed in survey.list_owed(batch_id=batch_id) if owed.id == notification_id]
        for record in found:
            _print_json(record)
    if not found:
        typer.echo("pushmill: not found: never accepted, or it has its result already", err=True)
        raise typer.Exit(1)


@journal.command()
def export(
    config: Config = DEFAULT_CONFIG,
    directory: Directory = None,
    batch_id: Annotated[str | None, typer.Option("--batch-id", "-b", help="Of this batch alone.")] = None,
    lane: Annotated[str | None, typer.Option("--lane", "-l", help="Of this lane alone, as `shape` names it.")] = None,
    contents: Annotated[
        bool, typer.Option("--contents", help="With destinations and payloads, in base64: what the providers get.")
    ] = False,
) -> None:
    """Write everything that is owed to standard output, one JSON object a line, oldest first.

    Without --contents no device token and no payload is shown.
    """
    with _explained():
        for owed in _open_survey(config, directory).list_owed(batch_id=batch_id, lane=lane, with_contents=contents):
            _print_json(owed)


@journal.command()
def purge(
    config: Config = DEFAULT_CONFIG,
    directory: Directory = None,
    batch_id: Annotated[str | None, typer.Option("--batch-id", "-b", help="What is owed of this batch.")] = None,
    lane: Annotated[str | None, typer.Option("--lane", "-l", help="What is owed in this lane.")] = None,
    everything: Annotated[bool, typer.Option("--everything", help="All that is owed.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
) -> None:
    """Give up what is owed: none of it is sent any more.

    Each notification gets its result as ever: `cancelled`, or `unknown` after an attempt that ended without an answer.
    The gateway must be stopped; a running one cancels by itself, when a caller asks for it.
    """
    if [batch_id is None, lane is None, not everything].count(False) == 0:
        raise typer.BadParameter("say what: --batch-id, --lane, both of them, or --everything")
    with _explained():
        folder = _find_folder(config, directory)
        with _locked(folder):
            owed = list(_open_survey(config, directory).list_owed(batch_id=batch_id, lane=lane))
        if not owed:
            typer.echo("nothing of that is owed")
            return
        batches = len({(each.principal, each.batch_id) for each in owed})
        if not yes:
            typer.confirm(f"Give up {len(owed):,} notifications of {batches:,} batches for good?", abort=True)
        typer.echo(f"{_cancel(folder, owed):,} notifications cancelled")


@journal.command()
def check(config: Config = DEFAULT_CONFIG, directory: Directory = None, as_json: AsJson = False) -> None:
    """Look the files over: the log, SQLite's own structure, and the checksum of everything in it.

    Nothing is changed. The gateway must be stopped. The exit code is 1 when something is wrong; `repair` is next then.
    """
    import sqlite3

    from gateway.journal.sqlite.care.checking import check_journal
    from gateway.journal.sqlite.disk.files import DATABASE

    with _explained():
        folder = _find_folder(config, directory)
        with _locked(folder):
            try:
                report = check_journal(folder / DATABASE)
            except sqlite3.Error as error:
                typer.echo(f"pushmill: {folder / DATABASE}: {error}; try `pushmill journal repair`", err=True)
                raise typer.Exit(1) from None
    if as_json:
        _print_json(report)
    else:
        for finding in report.findings:
            typer.echo(f"{finding.place}: {finding.detail}")
        state = "damaged: see `pushmill journal repair`" if report.findings else "sound"
        typer.echo(
            f"{report.batches:,} batches, {report.chunks:,} chunks, {report.results:,} blocks of results: {state}"
        )
    if report.findings:
        raise typer.Exit(1)


@journal.command()
def repair(
    config: Config = DEFAULT_CONFIG,
    directory: Directory = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make a sound journal of what is left of a damaged one. The old files are kept beside it, under another name.

    All that its checksums confirm goes over. What is damaged is listed, with batch_id, positions and ids as far as they
    can be read, and the next start makes the results: `failed`, or `unknown` where nobody can say whether it was sent.
    It takes as much room again as the journal has, and the gateway must be stopped.
    """
    import sqlite3
    from datetime import UTC, datetime

    from gateway.journal.sqlite.care.repair import Repair

    with _explained():
        folder = _find_folder(config, directory)
        if not yes:
            typer.confirm(f"Repair the journal in {folder}? The old files are kept.", abort=True)
        with _locked(folder):
            try:
                report = Repair(folder).run(datetime.fromtimestamp(time.time(), UTC))
            except sqlite3.Error as error:
                typer.echo(f"pushmill: {folder}: {error}; nothing was changed", err=True)
                raise typer.Exit(1) from None
    if as_json:
        _print_json(report)
        return
    for rows in report.damaged:
        ids = ", ".join(str(each) for each in (rows.ids or [])[:IDS_SHOWN])
        name = rows.batch_id or f"batch number {rows.batch}"
        typer.echo(f"{name}, positions {rows.indexes}{f' ({ids} …)' if ids else ''}: {rows.what_follows}")
    typer.echo(f"kept: {report.batches:,} batches, {report.chunks:,} chunks, {report.results:,} blocks of results")
    if report.batches_lost or report.result_blocks_lost:
        typer.echo(f"lost: {report.batches_lost:,} batches, {report.result_blocks_lost:,} blocks of results")
    if report.missing_commits is not None:
        typer.echo(f"lost with the end of the log: {report.missing_commits}; callers that send again get all of it")
    typer.echo(f"the old journal is {folder / report.kept_as}; remove it when all is well")


@journal.command()
def upgrade(config: Config = DEFAULT_CONFIG, directory: Directory = None) -> None:
    """Bring the journal of an earlier version into the form of this one.

    A start does so by itself where that takes seconds; this is for a large one, and tells how far it is. The old file
    is kept beside the new one, so it takes as much room again as the journal has. Killed at any moment, it leaves a
    sound journal in the one version or the other, and can be run again. The gateway must be stopped.
    """
    from gateway.journal.sqlite.disk.opening import upgrade_journal

    with _explained():
        folder = _find_folder(config, directory)
        with _locked(folder):
            kept = upgrade_journal(folder, _print_progress)
    if kept is None:
        typer.echo("the journal has this version already: nothing was changed")
    else:
        typer.echo(f"upgraded; the old file is {kept}: remove it when all is well")


def _find_folder(config: Path, directory: Path | None) -> Path:
    """Return the journal's folder; what else may be wrong with the settings is no matter here."""
    from gateway.config import ConfigError, read_config

    if directory is not None:
        return directory
    try:
        settings, _ = read_config(config, os.environ)
    except ConfigError as error:
        raise typer.BadParameter(f"{error}\nName the settings with --config, or the folder with --directory") from None
    if settings.journal.engine == "memory":
        raise typer.BadParameter('journal.engine is "memory": there is nothing on the disk to look at')
    return Path(settings.journal.directory)


def _open_survey(config: Path, directory: Path | None) -> "Survey":
    from gateway.journal.sqlite.care.survey import Survey

    return Survey(_find_folder(config, directory))


@contextmanager
def _explained() -> Iterator[None]:
    """End with 1 and a line of what to do, instead of a traceback, when the journal can't be used."""
    from gateway.errors import GatewayError

    try:
        yield
    except (GatewayError, OSError) as error:
        typer.echo(f"pushmill: {error}", err=True)
        raise typer.Exit(1) from None


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the lock that a gateway holds. Raises JournalError when one does."""
    from gateway.journal.errors import JournalError
    from gateway.journal.sqlite.disk.files import DATABASE, FolderLock

    if not (folder / DATABASE).exists():
        raise JournalError(f"{folder}: there is no journal; see journal.directory")
    lock = FolderLock(folder)
    try:
        lock.take()
    except JournalError as error:
        if not is_gateway_at_work(folder):
            raise
        # The advice of a lock is for a second gateway.
        holder = str(error).partition("; stop it")[0]
        raise JournalError(
            f"{holder}: stop that first (systemctl stop pushmill, or SIGTERM) and start it again afterwards; "
            "`pushmill journal shape`, `find` and `export` may be used meanwhile"
        ) from None
    try:
        yield
    finally:
        lock.release()


def _cancel(folder: Path, owed: "list[Owed]") -> int:
    """Cancel with an engine of our own, so that each has its result; return how many were."""
    import trio

    from gateway.clock import SystemClock
    from gateway.journal.sqlite import SqliteEngine

    positions: dict[tuple[str, str], list[int]] = {}
    for each in owed:
        positions.setdefault((each.principal, each.batch_id), []).append(each.index)

    async def cancel() -> int:
        engine = SqliteEngine(folder, SystemClock())
        await engine.recover()
        cancelled = 0
        try:
            for (principal, batch_id), indexes in positions.items():
                count = await engine.cancel(principal, batch_id, indexes, int(time.time() * 1000))
                cancelled += count.cancelled
        finally:
            with trio.CancelScope(shield=True):
                await engine.aclose()
        return cancelled

    return trio.run(cancel)


def _print_json(record: object) -> None:
    import msgspec

    sys.stdout.write(msgspec.json.encode(record).decode() + "\n")


def _print_progress(table: str, done: int, rows: int) -> None:
    """Say how far a table is, on one line where somebody watches."""
    if sys.stderr.isatty():
        typer.echo(f"\r{table}: {done:,} of {rows:,} ", err=True, nl=done == rows)
    elif done == rows:
        typer.echo(f"{table}: {rows:,}", err=True)
