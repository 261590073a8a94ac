"""A file that grows past one concept is noticed while splitting it is still cheap."""

from tests.support.tree import ROOT, project_files

MOST_LINES = 450
LONGER_FOR_A_REASON: dict[str, str] = {}  # path: why it has still one reason to change

SOURCES = project_files("*.py", "*.pyx", "*.pxd", "*.pyi", "*.c", "*.h")


def test_no_file_swallows_the_rest():
    lines = {str(path): (ROOT / path).read_bytes().count(b"\n") for path in SOURCES}
    assert {
        path: count for path, count in lines.items() if count > MOST_LINES and path not in LONGER_FOR_A_REASON
    } == {}


def test_listed_exceptions_are_still_needed():
    assert [path for path in LONGER_FOR_A_REASON if (ROOT / path).read_bytes().count(b"\n") <= MOST_LINES] == []
