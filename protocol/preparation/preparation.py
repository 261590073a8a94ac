"""The preparation of a batch's rows: each goes to the provider that its target names.

What can't be valid is rejected alone, with its place and a reason; everything else of the batch goes on. Options of
providers that a row doesn't go to are passed over, for a batch may mix them.
"""

from collections.abc import Sequence

from protocol.preparation.apns_rows import ApnsRows
from protocol.preparation.columns import Columns
from protocol.preparation.facts import AppFacts
from protocol.preparation.fcm_rows import FcmRows
from protocol.preparation.provider_rows import Batch, RowPreparer, Unconfigured
from protocol.preparation.webpush_rows import WebPushRows
from protocol.reasons import Reason
from protocol.rejections import Rejection, RowError
from protocol.send.fields import (
    CANCEL_KEY_LIMIT_BYTES,
    ID_LIMIT_BYTES,
    ApnsTarget,
    BatchEnvelope,
    FcmTarget,
    Notification,
    Target,
    TargetRow,
    WebPushTarget,
)
from protocol.send.unreadable_rows import Row, UnreadableRow


class Preparation:
    """Prepares the rows of one batch, slice by slice in order."""

    def __init__(self, envelope: BatchEnvelope, facts: AppFacts, accepted_at_ms: int) -> None:
        batch = Batch(envelope, facts.name, accepted_at_ms)
        self._apns: RowPreparer[ApnsTarget] = (
            Unconfigured("apns", "APNs") if facts.apns is None else ApnsRows(batch, facts.apns)
        )
        self._fcm: RowPreparer[FcmTarget] = (
            Unconfigured("fcm", "FCM") if facts.fcm is None else FcmRows(batch, facts.fcm)
        )
        self._webpush: RowPreparer[WebPushTarget] = (
            Unconfigured("webpush", "Web Push") if facts.webpush is None else WebPushRows(batch, facts.webpush)
        )
        self._shared_track = envelope.defaults.track
        self._shared_cancel_keys = envelope.defaults.cancel_keys
        self._measured_keys: Sequence[str] = ()
        self._measured_characters = 0
        self._seen_ids: set[str] = set()

    def prepare_slice(self, rows: Sequence[Row], first_index: int) -> tuple[Columns, list[Rejection]]:
        """Return the rows that can be sent, as columns, and what can't, each in the order of the rows."""
        columns = Columns(len(rows))
        rejections: list[Rejection] = []
        for index, row in enumerate(rows, first_index):
            try:
                self._prepare(columns, index, row)
            except RowError as error:
                rejections.append(_reject(index, row, error))
        return columns.cut(), rejections

    def _prepare(self, columns: Columns, index: int, row: Row) -> None:
        """Fill the next place and count it. Written out in one: it is called for every row."""
        row_id = row.id
        if row_id is not None:
            if row_id in self._seen_ids:
                raise RowError(Reason.DUPLICATE_ID, "id", "an earlier notification of the batch has this id")
            self._seen_ids.add(row_id)
            if not row_id.isascii() and len(row_id.encode()) > ID_LIMIT_BYTES:
                raise RowError(Reason.INVALID_OPTION, "id", f"an id has at most {ID_LIMIT_BYTES} bytes")
        if isinstance(row, TargetRow):
            self._place(columns, row, None)
            track, cancel_keys = self._shared_track, self._shared_cancel_keys
        elif isinstance(row, UnreadableRow):
            raise row.explain()
        else:
            self._place(columns, row.to, row)
            track = self._shared_track if row.track is None else row.track
            cancel_keys = self._shared_cancel_keys if row.cancel_keys is None else row.cancel_keys
        at = columns.rows
        size_bytes = columns.sizes[at]
        if row_id is not None:
            size_bytes += len(row_id)
        if track is not None:
            size_bytes += len(track)
        if cancel_keys:
            size_bytes += self._measure_cancel_keys(cancel_keys)
        columns.indexes[at] = index
        columns.sizes[at] = size_bytes
        columns.ids[at] = row_id
        columns.tracks[at] = track
        columns.cancel_keys[at] = cancel_keys or None
        columns.rows = at + 1

    def _place(self, columns: Columns, target: Target, own: Notification | None) -> None:
        apns, fcm, webpush = target.apns, target.fcm, target.webpush
        if apns is not None and fcm is None and webpush is None:
            self._apns.prepare(columns, apns, own)
        elif fcm is not None and apns is None and webpush is None:
            self._fcm.prepare(columns, fcm, own)
        elif webpush is not None and apns is None and fcm is None:
            self._webpush.prepare(columns, webpush, own)
        else:
            raise _not_one_provider(target)

    def _measure_cancel_keys(self, keys: Sequence[str]) -> int:
        """Return the characters of cancel keys. Raises RowError where one is too long."""
        if keys is not self._measured_keys:  # those of the batch are the same for all its rows
            if any(len(key.encode()) > CANCEL_KEY_LIMIT_BYTES for key in keys):
                detail = f"a cancel key has at most {CANCEL_KEY_LIMIT_BYTES} bytes"
                raise RowError(Reason.INVALID_OPTION, "cancel_keys", detail)
            self._measured_keys, self._measured_characters = keys, sum(map(len, keys))
        return self._measured_characters


def _reject(index: int, row: Row, error: RowError) -> Rejection:
    return Rejection(
        index=index, id=row.id, reason=error.reason, field=error.field, detail=error.detail, dead=error.dead
    )


def _not_one_provider(target: Target) -> RowError:
    named = [name for name in ("apns", "fcm", "webpush") if getattr(target, name) is not None]
    found = f"this one names {' and '.join(named)}" if named else "this one names none"
    return RowError(Reason.INVALID_TOKEN, "to", f"a notification goes to exactly one of apns, fcm and webpush; {found}")
