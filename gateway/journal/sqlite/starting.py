"""From the files of a journal to an engine at work, and back: opening, taking over what is owed, closing."""

from pathlib import Path

import trio

from gateway.journal.books.store import StoredChunk
from gateway.journal.engine import Settlement
from gateway.journal.errors import JournalError, JournalFailedError
from gateway.journal.sqlite.archive import select_keys
from gateway.journal.sqlite.damage import settle_damaged
from gateway.journal.sqlite.disk.files import Reserve
from gateway.journal.sqlite.disk.opening import open_journal
from gateway.journal.sqlite.disk.room import Room
from gateway.journal.sqlite.disk.writer import Writer
from gateway.journal.sqlite.doubt import note_end, take_note_of_start, was_closed
from gateway.journal.sqlite.reader import Reader
from gateway.journal.sqlite.recovery import Recovered, load
from gateway.journal.sqlite.state import JournalState, key_of
from gateway.journal.sqlite.withdrawals import Withdrawals
from protocol.outcomes import Outcome


async def start(state: JournalState, withdrawals: Withdrawals, folder: Path, most_bytes: int) -> None:
    """Open the journal in a folder whose lock is held, and make ready what it holds. Raises JournalError."""
    database = await trio.to_thread.run_sync(open_journal, folder)
    reader = Reader(database)
    reserve = Reserve(folder)
    try:
        await trio.to_thread.run_sync(_set_aside, reserve, folder)
        is_clean = await reader.run(was_closed)
        found = await reader.run(load)
        for batch in found.batches:
            state.store.keep(batch)
        state.store.note_number(found.last_batch)
        restore = state.keys.restorer()
        await reader.run(lambda connection: restore(found.names, select_keys(connection)))
    except JournalFailedError as error:
        await reader.aclose()
        raise JournalError(
            f"{database}: damaged ({error.__cause__}); nothing was changed: keep a copy of the folder, and run "
            "`pushmill journal repair`"
        ) from error
    except OSError as error:
        await reader.aclose()
        raise JournalError(f"{folder}: {error.strerror}; check journal.directory") from error
    except BaseException:
        await reader.aclose()
        raise
    state.attach(Writer(database, Room(reserve, most_bytes)), reader, found)
    state.writer.start()
    await _take_over(state, withdrawals, found, is_clean=is_clean)


def _set_aside(reserve: Reserve, folder: Path) -> None:
    if not reserve.restore():
        raise JournalError(
            f"{folder}: the disk is full; free {reserve.size_bytes} bytes on it at least, or move journal.directory "
            "to another one"
        )


async def close_files(state: JournalState) -> None:
    """Commit what waits and close. The reader goes last, see there. Raises JournalFailedError."""
    try:
        await state.writer.aclose(note_end(state))
    finally:
        await state.reader.aclose()


async def _take_over(state: JournalState, withdrawals: Withdrawals, found: Recovered, *, is_clean: bool) -> None:
    started: list[tuple[StoredChunk, int]] = []
    for chunk in found.chunks:
        state.deadlines.push(chunk.chunk.expires_at_ms, chunk.chunk)
        for due_at_ms, rows in chunk.due.items():
            state.books.note_due(key_of(chunk.chunk), rows, due_at_ms)
            state.work.put(chunk.chunk, rows & ~chunk.started, due_at_ms)
        if chunk.started:
            started.append((chunk.chunk, chunk.started))
    await take_note_of_start(state, found.chunks, was_closed=is_clean)
    await withdrawals.end_started(started)
    for chunk in found.chunks:
        if chunk.is_damaged:
            await _end_unknown(state, chunk.chunk)
        elif not chunk.chunk.stored_bytes:
            # A repair's stand-in. Reading it ends its rows, as they may be in a lane that nobody can serve.
            await state.read_chunks({key_of(chunk.chunk): chunk.chunk})
    for batch in await state.readers.free_read():
        state.drop_finished(batch)


async def _end_unknown(state: JournalState, chunk: StoredChunk) -> None:
    """End the rows of a chunk of which nobody knows any more how far they had come."""
    blocks: list[Settlement] = await settle_damaged(state.reader, chunk, b"", state.now_ms, lambda: chunk.owed)
    for block in blocks:
        block.outcome = Outcome.UNKNOWN
    await state.settle((chunk, block) for block in blocks)
