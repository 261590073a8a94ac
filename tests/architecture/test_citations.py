"""What a comment cites stands in this repository, under the heading that it names."""

import re
from pathlib import Path

import pytest

from tests.support.documents import anchors
from tests.support.tree import ROOT, project_files

CODE = project_files(
    *("*.py", "*.pyi", "*.pyx", "*.pxd", "*.c", "*.h", "*.toml", "*meson.build"),
    *("Makefile", "Dockerfile", "scripts/*", ".ci/*", "examples/*"),
)
CITED = re.compile(r"(?<![\w/])(?P<path>(?:docs/[\w./-]+|[A-Z]+)\.md)(?:#(?P<anchor>[\w-]+))?")
# Pages that a reader of the repository can't open; in pieces, for this file is searched too.
ELSEWHERE = re.compile(
    "|".join(
        (
            r"\bDES" + r"IGN\b",
            r"\bdesign, " + r"section",
            r"\b(?:reference|provider) pa" + r"ge\b",
            r"\breference[:,] " + r"sections?\b",
            r"(?<!docs/)\b(?:apns|fcm|webpush)\.md sec" + r"tions?\b",
            r"(?<!\w)\(fie" + r"ld[);]",
        )
    )
)


def broken_citations(text: str) -> list[str]:
    return [
        cited[0]
        for cited in CITED.finditer(text)
        if not (ROOT / cited["path"]).is_file()
        or (cited["anchor"] and cited["anchor"] not in anchors(ROOT / cited["path"]))
    ]


@pytest.mark.parametrize("path", CODE, ids=str)
def test_what_code_cites_is_here(path: Path):
    text = (ROOT / path).read_text()
    assert broken_citations(text) == []
    assert [found[0] for found in ELSEWHERE.finditer(text)] == []


def test_a_broken_citation_would_be_found():
    page, heading = "docs/" + "apns.md", "#connections"
    assert broken_citations(f"one stream at first ({page}{heading}), see also {page}.") == []
    assert broken_citations(f"({page}{heading}-of-old)") == [f"{page}{heading}-of-old"]
    assert broken_citations("docs/" + "nowhere.md") == ["docs/" + "nowhere.md"]


@pytest.mark.parametrize(
    "words", [("(DES", "IGN, P4)"), ("(reference: ", "section 6)"), ("provider pa", "ge, servers")]
)
def test_a_citation_of_a_page_elsewhere_would_be_found(words):
    assert ELSEWHERE.search("".join(words))
