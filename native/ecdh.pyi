__pyx_capi__: dict[str, object]  # what cimports of other modules find

class KeyAgreement:
    """A route through libcrypto: for other native modules."""
