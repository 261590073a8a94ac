"""The preparation of a batch's rows: each goes to the provider that its target names.

What can't be valid is rejected alone, with its place and a reason; everything else of the batch goes on. Options of
providers that a row doesn't go to are passed over, for a batch may mix them.
"""

from collections.abc import Sequence

from protocol.preparation.apns_rows import ApnsRows
from protocol.preparation.fcm_rows import FcmRows
from protocol.preparation.provider_rows import Batch, Placed, RowPreparer, Unconfigured
from protocol.preparation.rows import AppFacts, PreparedRow
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
        self._seen_ids: set[str] = set()

    def prepare_slice(self, rows: Sequence[Row], first_index: int) -> tuple[list[PreparedRow], list[Rejection]]:
        """Return what can be sent and what can't, each in the order of the rows."""
        prepared: list[PreparedRow] = []
        rejections: list[Rejection] = []
        for index, row in enumerate(rows, first_index):
            try:
                prepared.append(self._prepare(index, row))
            except RowError as error:
                rejections.append(_reject(index, row, error))
        return prepared, rejections

    def _prepare(self, index: int, row: Row) -> PreparedRow:
        if row.id is not None:
            self._check_id(row.id)
        if type(row) is UnreadableRow:  # not isinstance: a call for every row
            raise row.explain()
        target, own = (row, None) if isinstance(row, TargetRow) else (row.to, row)
        lane, queue, destination, body, variant = self._place(target, own)
        track = self._shared_track if own is None or own.track is None else own.track
        return PreparedRow(index, lane, queue, destination, body, variant, row.id, track, self._choose_cancel_keys(own))

    def _place(self, target: Target, own: Notification | None) -> Placed:
        apns, fcm, webpush = target.apns, target.fcm, target.webpush
        if apns is not None and fcm is None and webpush is None:
            return self._apns.prepare(apns, own)
        if fcm is not None and apns is None and webpush is None:
            return self._fcm.prepare(fcm, own)
        if webpush is not None and apns is None and fcm is None:
            return self._webpush.prepare(webpush, own)
        raise _not_one_provider(target)

    def _check_id(self, row_id: str) -> None:
        if row_id in self._seen_ids:
            raise RowError(Reason.DUPLICATE_ID, "id", "an earlier notification of the batch has this id")
        self._seen_ids.add(row_id)
        if not row_id.isascii() and len(row_id.encode()) > ID_LIMIT_BYTES:
            raise RowError(Reason.INVALID_OPTION, "id", f"an id has at most {ID_LIMIT_BYTES} bytes")

    def _choose_cancel_keys(self, own: Notification | None) -> list[str] | None:
        keys = self._shared_cancel_keys if own is None or own.cancel_keys is None else own.cancel_keys
        if not keys:
            return None
        if any(len(key.encode()) > CANCEL_KEY_LIMIT_BYTES for key in keys):
            raise RowError(
                Reason.INVALID_OPTION, "cancel_keys", f"a cancel key has at most {CANCEL_KEY_LIMIT_BYTES} bytes"
            )
        return keys


def _reject(index: int, row: Row, error: RowError) -> Rejection:
    return Rejection(
        index=index, id=row.id, reason=error.reason, field=error.field, detail=error.detail, dead=error.dead
    )


def _not_one_provider(target: Target) -> RowError:
    named = [name for name in ("apns", "fcm", "webpush") if getattr(target, name) is not None]
    found = f"this one names {' and '.join(named)}" if named else "this one names none"
    return RowError(Reason.INVALID_TOKEN, "to", f"a notification goes to exactly one of apns, fcm and webpush; {found}")
