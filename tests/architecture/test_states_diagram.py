"""The diagram of states in the documents is the one that the table of transitions draws."""

import re

from protocol.states import render_diagram
from tests.support.tree import ROOT

MERMAID = re.compile(r"^```mermaid\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_documented_diagram_is_the_table():
    """When it isn't: paste what ``render_diagram()`` returns into docs/architecture.md."""
    assert MERMAID.findall((ROOT / "docs" / "architecture.md").read_text()) == [render_diagram()]
