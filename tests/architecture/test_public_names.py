"""A package's ``__init__`` lists what is public, and what it lists can be imported."""

import importlib
from pathlib import Path

import pytest

from tests.support.tree import PACKAGES, project_files

INITS = project_files(
    *(f"{package}/**/__init__.py" for package in PACKAGES), *(f"{package}/__init__.py" for package in PACKAGES)
)


@pytest.mark.parametrize("init", INITS, ids=lambda init: str(init.parent))
def test_listed_names_can_be_imported(init: Path):
    package = importlib.import_module(".".join(init.parent.parts))
    listed = getattr(package, "__all__", [])
    assert [name for name in listed if not hasattr(package, name)] == []


@pytest.mark.parametrize("init", INITS, ids=lambda init: str(init.parent))
def test_imported_names_are_listed(init: Path):
    """A name that an ``__init__`` takes from a module of its own package was put there for others: it is listed."""
    package = importlib.import_module(".".join(init.parent.parts))
    offered = {
        name
        for name, value in vars(package).items()
        if not name.startswith("_") and str(getattr(value, "__module__", "")).startswith(f"{package.__name__}.")
    }
    assert offered - set(getattr(package, "__all__", [])) == set()
