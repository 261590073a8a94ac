"""Nothing leaves an `except*` clause by raising: Python 3.11.2, Debian 12's own, would wrap it in a group.

A command that exits there ends with a traceback and exit code 1, and no newer interpreter shows it.
"""

import ast
import re
from collections.abc import Iterator

from tests.support.tree import ROOT, project_files


def find_exits(source: str) -> Iterator[int]:
    """Yield the lines in `except*` clauses that raise or exit."""
    if not re.search(r"except\s*\*", source):
        return  # parsing the whole tree takes seconds
    for clause in (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.TryStar)):
        for node in (inner for handler in clause.handlers for inner in ast.walk(handler)):
            is_exit = isinstance(node, ast.Call) and ast.unparse(node.func) in {"sys.exit", "exit", "os._exit"}
            if is_exit or isinstance(node, ast.Raise):
                yield node.lineno


def test_no_except_star_clause_raises():
    places = {str(path): list(find_exits((ROOT / path).read_text())) for path in project_files("*.py")}
    assert {path: lines for path, lines in places.items() if lines} == {}


def test_a_raise_in_such_a_clause_would_be_found():
    assert list(find_exits("try:\n  f()\nexcept* ValueError:\n  sys.exit(1)\n")) == [4]
    assert list(find_exits("try:\n  f()\nexcept* ValueError:\n  raise KeyError\n")) == [4]
    assert not list(find_exits("try:\n  f()\nexcept* ValueError:\n  g()\nraise KeyError\n"))
