"""What tests of the extensions share."""

import gc

import pytest

from native import live_objects


@pytest.fixture
def live_before() -> dict[str, int]:
    """Return the live native objects when the test begins: none, unless tests of other rooms left some in caches."""
    gc.collect()
    return live_objects()
