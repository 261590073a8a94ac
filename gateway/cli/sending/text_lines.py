"""Lines of text out of a file or a pipe of bytes that may be anything.

A line that is no text must not end the reading of those behind it. So bytes that are not UTF-8 come through as lone
surrogates (PEP 383), by which :func:`find_text_fault` knows them, and a line is cut where it gets too long to be meant.
"""

import codecs
import io
from collections.abc import Iterator

# More than any provider takes, in escapes of six characters each; the longest line is in memory as a whole.
LINE_LIMIT_CHARACTERS = 1024 * 1024
_NO_TEXT = "\udcff"


def read_lines(source: io.BufferedReader) -> Iterator[str]:
    """Yield lines with their ends, which may be LF, CRLF or CR; at most one character above the limit of each.

    A byte order mark is passed over. UTF-16 is known by its own, as some shells and spreadsheets write it. Raises
    OSError.
    """
    encoding, errors = _choose_encoding(source.peek(2)[:2])
    text = io.TextIOWrapper(source, encoding, errors, newline="")
    is_inside = False  # in a line whose beginning was given out
    try:
        while line := text.readline(LINE_LIMIT_CHARACTERS + 1):
            if not is_inside:
                yield line
            is_inside = len(line) > LINE_LIMIT_CHARACTERS and not line.endswith(("\n", "\r"))
    except UnicodeDecodeError:  # half a character at the end of UTF-16
        yield _NO_TEXT


def find_text_fault(line: str) -> str | None:
    """Return what makes a line no text, or None. Never what stands there."""
    if len(line) > LINE_LIMIT_CHARACTERS:
        return f"longer than {LINE_LIMIT_CHARACTERS:,} characters"
    if line.isascii():
        return None
    try:
        line.encode()
    except UnicodeEncodeError as error:
        return f"not UTF-8 at character {error.start + 1}: save it as UTF-8"
    return None


def _choose_encoding(start: bytes) -> tuple[str, str]:
    if start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return "utf-16", "surrogatepass"
    return "utf-8-sig", "surrogateescape"
