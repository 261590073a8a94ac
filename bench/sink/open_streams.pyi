"""Only for other extension modules: nothing to import from Python."""
