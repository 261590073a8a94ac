"""The embedded engine: everything owed stands in one SQLite file before anybody hears that it was accepted."""

from gateway.journal.sqlite.engine import SqliteEngine
from gateway.journal.sqlite.errors import JournalError, JournalFailedError, JournalFullError

__all__ = ["JournalError", "JournalFailedError", "JournalFullError", "SqliteEngine"]
