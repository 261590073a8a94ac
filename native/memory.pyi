__pyx_capi__: dict[str, object]  # what cimports of other modules find

def live_objects() -> dict[str, int]:
    """Count live native objects (sessions, requests, streams, key pools, allocations); zeros once all is released."""

def fail_allocation_after(count: int) -> int:
    """Let the ``count``-th native allocation from now fail once (tests); zero or less switches it off.

    Returns how many allocations were left up to a failure planted before: 0 when it has happened.
    """
