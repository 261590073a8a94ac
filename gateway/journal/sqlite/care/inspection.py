"""Whether a gateway could keep its journal in a folder, found out without making or changing anything."""

import os
from pathlib import Path

from gateway.journal.errors import JournalError
from gateway.journal.sqlite.disk.files import DATABASE, find_folder_fault, find_stranger_fault
from gateway.journal.sqlite.disk.opening import read_version


def find_journal_fault(folder: Path) -> str | None:
    """Return what stands in the way, with the next step; None when nothing does.

    A gateway that has the journal open at the moment is no fault: it may be the one whose settings are checked.
    """
    try:
        if folder.exists():
            return _find_fault_inside(folder)
        existing = next(parent for parent in folder.absolute().parents if parent.exists())
        fault = find_folder_fault(existing)
    except OSError as error:
        return f"{error.strerror}; check journal.directory"
    return None if fault is None else f"does not exist, and can't be made in {existing}, which is {fault}"


def find_disk_shortage(folder: Path, most_bytes: int) -> str | None:
    """Return what a journal's bound promises that its disk doesn't have; None when it has, or can't be looked at."""
    try:
        existing = next(each for each in (folder.absolute(), *folder.absolute().parents) if each.exists())
        disk = os.statvfs(existing)
        taken_bytes = sum(file.stat().st_blocks * 512 for file in folder.iterdir()) if existing == folder else 0
    except OSError:
        return None  # what is wrong with the folder is told as a fault
    room_bytes = disk.f_bavail * disk.f_frsize + taken_bytes
    if room_bytes >= most_bytes:
        return None
    return (
        f"{most_bytes} bytes, but the disk of {folder} has room for {room_bytes}, what the journal has there counted "
        "in: new work will be refused when that is full; make room, or lower it"
    )


def _find_fault_inside(folder: Path) -> str | None:
    fault = find_folder_fault(folder) or find_stranger_fault(folder)
    if fault is not None:
        return f"is {fault}"
    database = folder / DATABASE
    if not database.exists():
        return None
    if not os.access(database, os.R_OK | os.W_OK):
        return f"{DATABASE} in it can't be written by this user; change its owner"
    try:
        read_version(database)
    except JournalError as error:
        return str(error)
    return None
