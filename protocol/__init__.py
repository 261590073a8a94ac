"""Values, tables, bytes in, bytes out: everything Pushmill knows that needs neither a socket nor a clock."""
