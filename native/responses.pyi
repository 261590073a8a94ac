__pyx_capi__: dict[str, object]  # what cimports of other modules find
