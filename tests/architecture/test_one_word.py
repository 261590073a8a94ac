"""One word, one meaning: what is shipped has no two classes of one name (docs/glossary.md)."""

import ast
from collections import defaultdict

from tests.support.tree import ROOT, project_files

# Two of one name on purpose, and why; what is no longer double has to leave the list.
DOUBLE = {
    "DeadTokens": "the frame, and the feed that it is read from",
    "Results": "the frame, and the feed that it is read from",
    "Subscription": "of Web Push, and of results: see the glossary",
    "Finding": "of a journal that is looked over, and of a credential that is tried: both are reports to a person",
    "Reader": "of contents, and of the journal's file",
}


def names_of_classes(source: str) -> list[str]:
    return [node.name for node in ast.parse(source).body if isinstance(node, ast.ClassDef) and node.name[0] != "_"]


def test_no_two_classes_have_one_name():
    places = defaultdict(list)
    for file in project_files("protocol/*.py", "native/*.py", "gateway/*.py"):
        for name in names_of_classes((ROOT / file).read_text()):
            places[name].append(str(file))
    assert {name: files for name, files in places.items() if len(files) > 1}.keys() == DOUBLE.keys()


def test_private_and_inner_classes_are_their_modules_affair():
    assert names_of_classes("class A:\n    class B: ...\nclass _C: ...\ndef f():\n    class D: ...\n") == ["A"]
