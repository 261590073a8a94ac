"""What is imported is declared, what is declared is imported, and each library has its reason in the documents."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.support.tree import PACKAGES, ROOT, project_files

OWN = {*PACKAGES, "tests"}
PAGE = Path("docs/decisions/dependencies.md")
ROW = re.compile(r"^\| `([\w.-]+)` \|", re.MULTILINE)
# Clients of other projects run in environments of their own: scripts/setup-foreign pins what they need.
ELSEWHERE = "tests/foreign/clients/"


def name_of(requirement: str) -> str:
    """Return a distribution's name in its one spelling (PEP 503)."""
    found = re.match(r"[\w.-]+", requirement)
    assert found, requirement
    return re.sub(r"[-_.]+", "-", found[0]).lower()


def declared() -> Mapping[str, frozenset[str]]:
    """Return the names that pyproject.toml declares, by what they are declared for."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    lists = {
        "build": settings["build-system"]["requires"],
        "runtime": settings["project"]["dependencies"],
        "bench": settings["project"]["optional-dependencies"]["bench"],
        "dev": settings["dependency-groups"]["dev"],
    }
    return {purpose: frozenset(map(name_of, requirements)) for purpose, requirements in lists.items()}


MAY_USE = {
    "protocol": ("runtime",),
    "native": ("runtime",),
    "gateway": ("runtime",),
    "bench": ("runtime", "bench"),
    "tests": ("runtime", "bench", "dev"),
}


def modules_of(tree: ast.Module) -> set[str]:
    """Return the top names of what a file imports; what only type checkers read is theirs, not the program's."""
    found: set[str] = set()
    stack: list[ast.AST] = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            stack += node.orelse
            continue
        if isinstance(node, ast.Import):
            found.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
        stack += ast.iter_child_nodes(node)
    return found - OWN - sys.stdlib_module_names


@cache
def imported(package: str) -> frozenset[str]:
    """Return the distributions that a package's modules come from."""
    owners = packages_distributions()
    files = [file for file in project_files(f"{package}/*.py") if not str(file).startswith(ELSEWHERE)]
    modules = set().union(*(modules_of(ast.parse((ROOT / file).read_text())) for file in files))
    return frozenset(name_of(owners[module][0]) for module in modules)


def names(purposes: Iterable[str]) -> set[str]:
    return set().union(*(declared()[purpose] for purpose in purposes))


@pytest.mark.parametrize("package", MAY_USE)
def test_what_is_imported_is_declared(package):
    assert imported(package) - names(MAY_USE[package]) == set()


@pytest.mark.parametrize("purpose", ["runtime", "bench"])
def test_what_is_declared_is_imported(purpose):
    users = [package for package, purposes in MAY_USE.items() if purpose in purposes and package != "tests"]
    assert declared()[purpose] - set().union(*map(imported, users)) == set()


def test_every_library_has_its_reason_and_nothing_else_has():
    rows = ROW.findall((ROOT / PAGE).read_text())
    assert sorted(map(name_of, rows)) == sorted(names(declared()))


def test_what_type_checkers_alone_read_needs_no_declaration():
    source = "import trio.abc\nif TYPE_CHECKING:\n    import x\nelse:\n    from y.z import w\nimport json, tests.a\n"
    assert modules_of(ast.parse(source)) == {"trio", "y"}
