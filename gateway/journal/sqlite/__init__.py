"""The embedded engine: everything owed stands in one SQLite file before anybody hears that it was accepted."""

from gateway.journal.sqlite.care.inspection import find_disk_shortage, find_journal_fault
from gateway.journal.sqlite.engine import SqliteEngine

__all__ = ["SqliteEngine", "find_disk_shortage", "find_journal_fault"]
