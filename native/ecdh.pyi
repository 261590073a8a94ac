from typing_extensions import disjoint_base

__pyx_capi__: dict[str, object]  # what cimports of other modules find

@disjoint_base
class KeyAgreement:
    """A route through libcrypto: for other native modules."""
