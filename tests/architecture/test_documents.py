"""What the documents tell a reader to type or to open is there."""

import re
from pathlib import Path

import pytest

from tests.support.documents import anchors
from tests.support.tree import ROOT, project_files

DOCUMENTS = project_files("*.md")
MAKE_COMMAND = re.compile(r"(?:^\s*|`)make ((?:[a-z][a-z-]*[ `]?)+)", re.MULTILINE)
LINK = re.compile(r"\[[^\]]*\]\((?!https?:)(?P<path>[^)#\s]*)(?:#(?P<anchor>[^)\s]+))?\)")
NAMED_TEST = re.compile(r"`(test_\w+)`")
NAMED_FILE = re.compile(r"`((?:protocol|native|gateway|bench|tests|docs|scripts)/[\w./-]*)`")


def documented_targets(text: str) -> set[str]:
    """Return the make targets that a line of code or a `make …` in running text names."""
    code = "\n".join(re.findall(r"^(?: {4}|\$ ).*$|```.*?```|`[^`\n]+`", text, re.MULTILINE | re.DOTALL))
    return {target for words in MAKE_COMMAND.findall(code) for target in words.replace("`", " ").split()}


def makefile_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))


def broken_links(document: Path) -> list[str]:
    broken = []
    for link in LINK.finditer((ROOT / document).read_text()):
        target = (ROOT / document).parent / link["path"] if link["path"] else ROOT / document
        if not target.exists() or (link["anchor"] and link["anchor"] not in anchors(target)):
            broken.append(link[0])
    return broken


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_links_resolve(document: Path):
    assert broken_links(document) == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_named_files_exist(document: Path):
    assert [name for name in NAMED_FILE.findall((ROOT / document).read_text()) if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_named_tests_exist(document: Path, names_of_tests: frozenset[str]):
    assert set(NAMED_TEST.findall((ROOT / document).read_text())) - names_of_tests == set()


@pytest.fixture(scope="module")
def names_of_tests() -> frozenset[str]:
    files = project_files("tests/*.py")
    return frozenset(name for file in files for name in re.findall(r"def (test_\w+)\(", (ROOT / file).read_text()))


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_make_commands_exist(document: Path):
    assert documented_targets((ROOT / document).read_text()) - makefile_targets() == set()


def test_readme_shows_the_two_commands():
    assert {"demo", "test"} <= documented_targets((ROOT / "README.md").read_text())


def test_readme_links_to_figures_instead_of_repeating_them():
    """A figure that stands in two places is soon wrong in one."""
    text = (ROOT / "README.md").read_text()
    assert re.findall(r"\d ?(?:µs|ms|s|[kKMG]i?B| times)(?!\w)", text) == []
    assert {"docs/benchmarks.md", "docs/promises.md"} <= {link["path"] for link in LINK.finditer(text)}


def test_every_phony_target_is_described():
    assert set(re.findall(r"^\.PHONY: ([a-z-]+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)) == makefile_targets()
