"""From request columns to a native batch, and the header values that all providers' requests have."""

from functools import lru_cache

from gateway.journal.engine import BatchRecord
from native import HeaderSet, Requests
from protocol.requests import HeaderFields, RequestColumns

NO_HEADERS = HeaderSet(())


@lru_cache(maxsize=1024)
def _header_set(fields: HeaderFields) -> HeaderSet:
    # Made once for all batches that share it: sessions keep its encoding.
    return HeaderSet(fields)


def make_requests(columns: RequestColumns, batch: BatchRecord) -> Requests:
    """Return columns as a batch that native sessions take."""
    return Requests(
        paths=columns.paths,
        bodies=columns.bodies,
        body_of_row=columns.body_of_row,
        header_sets=[_header_set(fields) for fields in columns.header_sets],
        header_set_of_row=columns.header_set_of_row,
        uuid_header=(columns.uuid_header_name, batch.provider_id_prefix, 0) if columns.uuid_header_name else None,
        uuid_numbers=columns.uuid_numbers,
        row_fields=columns.row_fields,
    )


class BearerHeaders:
    """The session header of a bearer credential: made anew only when its value is another object."""

    __slots__ = ("_authorization", "_headers")

    def __init__(self) -> None:
        self._authorization: bytes | None = None
        self._headers = NO_HEADERS

    def of(self, authorization: bytes | None) -> HeaderSet:
        """Return the header set for a value of ``authorization``; an empty one without."""
        if authorization is not self._authorization:
            self._authorization = authorization
            self._headers = HeaderSet([(b"authorization", authorization, True)]) if authorization else NO_HEADERS
        return self._headers
