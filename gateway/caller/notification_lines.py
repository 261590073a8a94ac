"""Notifications from a file or a pipe, one a line: NDJSON in the fields of the API, or CSV with a header.

Each line is checked against the schema by itself, so that a bad one is named with its place and the others go on. A
gateway would refuse the whole batch for it.
"""

import base64
import csv
import json
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from gateway.caller.csv_columns import ADDRESS_COLUMNS, COLUMNS, fill_cell
from protocol.refusals import DECODING_ERRORS, RequestError, translate_decoding_error
from protocol.send import Notification

if TYPE_CHECKING:
    from _csv import Reader  # csv.reader's result has no public name


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

    ``payload`` is any JSON value, or ``{"base64": …}`` for other bytes.
    """
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield _read(f"{name}:{number}", partial(_from_json, line))


def read_csv(lines: Iterable[str], name: str) -> Lines:
    """Read rows by the columns of COLUMNS; an empty cell is an absent field. Raises HeaderError at once."""
    rows = csv.reader(lines, strict=True)
    header = [column.strip() for column in next(rows, [])]
    if fault := _find_header_fault(header):
        raise HeaderError(f"{name}:1: {fault}; the first line names columns out of {', '.join(COLUMNS)}")
    return _read_rows(rows, header, name)


def _find_header_fault(header: list[str]) -> str | None:
    unknown = [number for number, column in enumerate(header, start=1) if column not in COLUMNS]
    if unknown:
        # By number: where the header was forgotten, these are device tokens.
        return f"unknown column {', '.join(map(str, unknown))}"
    return None if ADDRESS_COLUMNS & set(header) else "no column with an address"


def _read_rows(rows: "Reader", header: list[str], name: str) -> Lines:
    while True:
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield LineFault(f"{name}:{rows.line_num}", str(error))
            continue
        if row:
            yield _read(f"{name}:{rows.line_num}", partial(_from_cells, header, row))


def check_notification(notification: dict[str, Any]) -> None:
    """Hold a notification against the schema. Raises RequestError with the place of the fault."""
    try:
        msgspec.convert(notification, Notification)
    except DECODING_ERRORS as error:
        raise translate_decoding_error(error) from None


def _read(place: str, parse: Callable[[], dict[str, Any]]) -> SourceLine | LineFault:
    try:
        notification = parse()
        check_notification(notification)
    except RequestError as error:
        return LineFault(place, f"{error.field}: {error.detail}" if error.field else error.detail)
    except (ValueError, RecursionError) as error:
        return LineFault(place, str(error))
    return SourceLine(place, notification)


def _from_json(line: str) -> dict[str, Any]:
    try:
        fields = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} at column {error.colno}") from None
    if not isinstance(fields, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - the type of a value in a file, not of an argument
    if "payload" in fields:
        fields |= _encode_payload(fields.pop("payload"))
    if isinstance(fields.get("track"), str):
        fields["track"] = _decode_base64("track", fields["track"])
    return fields


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
    if len(row) != len(header):
        raise ValueError(f"{len(row)} cells, the header has {len(header)}")
    fields: dict[str, Any] = {}
    for column, cell in zip(header, row, strict=True):
        if cell:
            fill_cell(fields, column, cell)
    return fields
