"""What import-linter can't read: imports and cimports of Cython files, held to the contracts in pyproject.toml."""

import re
import tomllib
from pathlib import Path

import pytest

from tests.support.tree import PACKAGES, ROOT, project_files

CONTRACTS = {
    contract["id"]: contract
    for contract in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
}
LAYERS = CONTRACTS["packages"]["layers"]  # from the top down
SANS_IO = set(CONTRACTS["sans-io"]["source_modules"])
NEVER_IN_SANS_IO = set(CONTRACTS["sans-io"]["forbidden_modules"])
IMPORT = re.compile(r"^\s*(?:from\s+(?P<source>[\w.]+)\s+c?import\b|c?import\s+(?P<modules>[\w., ]+))", re.MULTILINE)

CYTHON_FILES = project_files("*.pyx", "*.pxd")


def imported_modules(text: str) -> set[str]:
    modules: set[str] = set()
    for statement in IMPORT.finditer(text):
        names = statement["source"] or statement["modules"]
        modules.update(name.split(" as ")[0].strip() for name in names.split(","))
    return modules


def wrong_imports(package: str, text: str) -> set[str]:
    """Return what a Cython file of ``package`` imports against the arrows."""
    above = set(LAYERS[: LAYERS.index(package)])
    forbidden = above | (NEVER_IN_SANS_IO if package in SANS_IO else set())
    return {module for module in imported_modules(text) if module.split(".")[0] in forbidden}


def test_layers_name_every_package():
    assert sorted(LAYERS) == sorted(PACKAGES)


def test_cython_lives_in_native_and_in_the_sink_alone():
    folders = {path.parts[:2] if path.parts[0] == "bench" else path.parts[:1] for path in CYTHON_FILES}
    assert folders <= {("native",), ("bench", "sink")}


@pytest.mark.parametrize("path", CYTHON_FILES, ids=str)
def test_cython_files_import_downwards_and_never_wait(path: Path):
    assert wrong_imports(path.parts[0], (ROOT / path).read_text()) == set()


@pytest.mark.parametrize(
    ("line", "module"),
    [
        ("from gateway.delivery cimport lane", "gateway.delivery"),
        ("cimport bench.sink", "bench.sink"),
        ("    import time", "time"),
        ("import sys, trio as loop", "trio"),
        ("from socket import socket", "socket"),
    ],
)
def test_a_wrong_import_is_found(line: str, module: str):
    assert wrong_imports(
        "native", f"from libc.string cimport memcpy\nfrom protocol.exchanges import Cause\n{line}\n"
    ) == {module}
