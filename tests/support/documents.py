"""Documents in Markdown, as the architecture tests read them."""

import re
from functools import cache
from pathlib import Path

_HEADING = re.compile(r"^#+\s+(.+)$", re.MULTILINE)


@cache
def anchors(document: Path) -> frozenset[str]:
    """Return the anchors that a forge gives a document's headings."""
    headings = _HEADING.findall(document.read_text())
    return frozenset(re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings)
