__pyx_capi__: dict[str, object]  # what cimports of other modules find

ENCRYPTION_ROUTES: tuple[str, ...]
"""The routes that gave RFC 8291's example at import, the fastest first."""
