"""One wheel for all tests of a worker: building it takes half a minute."""

import os
from pathlib import Path

import pytest

from tests.support.tree import ROOT
from tests.support.wheel import build_wheel


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a wheel of the tree, where Python has left something behind: by a name of this worker's own."""
    leftover = ROOT / "protocol" / "providers" / "__pycache__" / f"left_behind_{os.getpid()}.pyc"
    leftover.parent.mkdir(exist_ok=True)
    leftover.touch()
    try:
        return build_wheel(tmp_path_factory.mktemp("wheel"))
    finally:
        leftover.unlink()
