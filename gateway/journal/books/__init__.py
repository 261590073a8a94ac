"""What every engine keeps in memory, whatever it writes to: owed rows, schedules, keys, suspects, cancel keys."""
