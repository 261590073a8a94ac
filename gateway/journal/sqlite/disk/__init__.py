"""The journal's files: opening, locking, writing, moving the log, counting commits, upgrading."""
