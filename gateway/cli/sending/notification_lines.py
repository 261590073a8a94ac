"""Notifications from a file or a pipe, one a line: NDJSON in the fields of the API, or CSV with a header.

Each line is checked against the schema by itself, so that a bad one is named with its place before anything is sent
of it, and the others go on. In CSV a quote that is never closed would take the whole rest of the file into its cell;
so a row that spans lines and can't be read costs its first line alone, and the next one is tried.
"""

import base64
import csv
import json
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import msgspec

from gateway.cli.sending.csv_columns import ADDRESS_COLUMNS, COLUMNS, fill_cell
from gateway.cli.sending.moments import convert_moments
from gateway.cli.sending.text_lines import LINE_LIMIT_CHARACTERS, find_text_fault
from protocol.refusals import DECODING_ERRORS, RequestError, translate_decoding_error
from protocol.send import Notification

# A row of CSV may span lines; one that spans more characters has a quote that was never closed.
ROW_LIMIT_CHARACTERS = LINE_LIMIT_CHARACTERS
_SURROGATE = re.compile("[\ud800-\udfff]")
_HALF_EMOJI = "half of a character (\\ud800 to \\udfff without its other half), as of an emoji that was cut in two"


class SourceLine(msgspec.Struct, frozen=True):
    """A notification in the fields of the socket, and where it was found: ``customers.csv:17``."""

    place: str
    notification: dict[str, Any]


class LineFault(msgspec.Struct, frozen=True):
    """A line that is no notification, and what is wrong with it."""

    place: str
    detail: str


Lines = Iterator[SourceLine | LineFault]


class HeaderError(ValueError):
    """The header of a CSV file names a column that is not known, or nothing that could be sent to."""


def read_ndjson(lines: Iterable[str], name: str) -> Lines:
    """Read JSON objects, one a line; empty lines are passed over. ``track`` is base64.

    ``payload`` is any JSON value, or ``{"base64": …}`` for other bytes. ``expires_at`` and ``not_before`` may be texts,
    see :mod:`gateway.cli.sending.moments`.
    """
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield _read(f"{name}:{number}", partial(_from_json, line))


def read_csv(lines: Iterable[str], name: str) -> Lines:
    """Read rows by the columns of COLUMNS; an empty cell is an absent field. Raises HeaderError at once."""
    rows = _Rows(lines)
    first = rows.take()
    header = [column.strip() for column in first.cells] if first else []
    fault = (first.fault if first else "empty, so there is no column with an address") or _find_header_fault(header)
    if fault:
        raise HeaderError(f"{name}:1: {fault}; the first line names columns out of {', '.join(COLUMNS)}")
    rows.width = len(header)
    return _read_rows(rows, header, name)


def _find_header_fault(header: list[str]) -> str | None:
    unknown = [number for number, column in enumerate(header, start=1) if column not in COLUMNS]
    if unknown:
        # By number: where the header was forgotten, these are device tokens.
        return f"unknown column {', '.join(map(str, unknown))}"
    if twice := [column for column in COLUMNS if header.count(column) > 1]:
        return f"more than one column {', '.join(twice)}"
    return None if ADDRESS_COLUMNS & set(header) else "no column with an address"


class _Row(msgspec.Struct):
    """The cells of a row, or what is wrong with it, and the number of its first line."""

    number: int
    cells: list[str] = []
    fault: str | None = None


class _Rows:
    """Takes rows out of lines of CSV."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self._given_back: deque[str] = deque()
        self._taken: list[str] = []  # the lines of the row that is being read
        self._number = 0  # of the lines before it
        self.width: int | None = None

    def take(self) -> _Row | None:
        """Return the next row; None at the end."""
        self._taken = []
        row = _Row(self._number + 1)
        try:
            row.cells = next(csv.reader(self._give(), strict=True))
        except StopIteration:
            return None
        except csv.Error as error:
            row.fault = "a quote is never closed" if len(self._taken) > 1 else str(error)
        if row.cells and self.width not in {None, len(row.cells)}:
            row.fault = f"{len(row.cells)} cells, the header has {self.width}"
        if row.fault:
            self._given_back.extendleft(reversed(self._taken[1:]))
            del self._taken[1:]
        row.fault = next(filter(None, map(find_text_fault, self._taken)), row.fault)
        self._number += len(self._taken)
        return row

    def _give(self) -> Iterator[str]:
        size = 0
        while size <= ROW_LIMIT_CHARACTERS:
            line = self._given_back.popleft() if self._given_back else next(self._lines, None)
            if line is None:
                return
            self._taken.append(line)
            size += len(line)
            yield line


def _read_rows(rows: _Rows, header: list[str], name: str) -> Lines:
    while (row := rows.take()) is not None:
        place = f"{name}:{row.number}"
        if row.fault:
            yield LineFault(place, row.fault)
        elif row.cells:
            yield _read(place, partial(_from_cells, header, row.cells))


def check_notification(notification: dict[str, Any]) -> None:
    """Hold a notification against the schema. Raises RequestError with the place of the fault."""
    try:
        msgspec.convert(notification, Notification)
    except DECODING_ERRORS as error:
        raise translate_decoding_error(error, kind=Notification) from None


def _read(place: str, parse: Callable[[], dict[str, Any]]) -> SourceLine | LineFault:
    try:
        notification = parse()
        check_notification(notification)
        msgspec.msgpack.encode(notification)  # what the schema lets pass need not be text, or fit into 64 bits
    except RequestError as error:
        return LineFault(place, f"{error.field}: {error.detail}" if error.field else error.detail)
    except RecursionError:
        return LineFault(place, "nested too deep (recursion)")
    except UnicodeEncodeError:
        return LineFault(place, _HALF_EMOJI)
    except OverflowError:
        return LineFault(place, "a number has more than 64 bits")
    except ValueError as error:
        return LineFault(place, str(error))
    return SourceLine(place, notification)


def _from_json(line: str) -> dict[str, Any]:
    if fault := find_text_fault(line):
        raise ValueError(fault)
    try:
        fields = json.loads(line, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} at column {error.colno}") from None
    if not isinstance(fields, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - the type of a value in a file, not of an argument
    if "\\u" in line and (place := _find_surrogate(fields)) is not None:
        raise ValueError(f"{place}: {_HALF_EMOJI}")
    convert_moments(fields)
    if "payload" in fields:
        fields |= _encode_payload(fields.pop("payload"))
    if isinstance(fields.get("track"), str):
        fields["track"] = _decode_base64("track", fields["track"])
    return fields


def _refuse_constant(word: str) -> None:
    raise ValueError(f"not JSON: {word} is no JSON number")


def _find_surrogate(value: object, place: str = "") -> str | None:
    """Return where a text has half of a surrogate pair, which no encoding of text can carry."""
    match value:
        case str():
            return place if _SURROGATE.search(value) else None
        case dict():
            if any(_SURROGATE.search(key) for key in value):
                return place or "the name of a field"
            found = (_find_surrogate(item, f"{place}.{key}".lstrip(".")) for key, item in value.items())
        case list():
            found = (_find_surrogate(item, f"{place}[{at}]") for at, item in enumerate(value))
        case _:
            return None
    return next((each for each in found if each is not None), None)


def _encode_payload(payload: object) -> dict[str, bytes]:
    """Return a payload as the socket has it; ``{"base64": …}`` stands for bytes that are no JSON, as in the API."""
    if isinstance(payload, dict) and payload.keys() == {"base64"}:
        return {"payload_bytes": _decode_base64("payload.base64", payload["base64"])}
    return {"payload_json": json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()}


def _decode_base64(field: str, text: Any) -> bytes:  # noqa: ANN401 - any JSON value
    try:
        return base64.b64decode(text, validate=True)
    except (ValueError, TypeError):
        raise ValueError(f"{field}: not base64") from None


def _from_cells(header: list[str], row: list[str]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for column, cell in zip(header, row, strict=True):
        if cell:
            fill_cell(fields, column, cell)
    return fields
