"""Requests as arrays, the way a native session takes them: what rows share stands once."""

import msgspec

HeaderFields = tuple[tuple[bytes, bytes, bool], ...]


class RequestColumns(msgspec.Struct, frozen=True, kw_only=True):
    """The arguments of :class:`native.session.Requests` short of the batch's 12-byte prefix; see there.

    ``header_sets`` hold (name, value, indexed) and can be dictionary keys, so that their native form is made once.
    ``uuid_numbers`` are the rows' positions in their batch.
    """

    paths: list[bytes]
    bodies: list[bytes]
    body_of_row: list[int] | None
    header_sets: list[HeaderFields]
    header_set_of_row: list[int] | None
    uuid_header_name: bytes | None
    uuid_numbers: list[int] | None
    row_fields: list[tuple[bytes, list[bytes | None]]]
