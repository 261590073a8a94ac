"""The preparation of a batch's rows.

What can't be valid is rejected alone, with its place and a reason; everything else of the batch goes on.

Cost decides the shape: a batch of 10,000 rows mostly shares one body and one set of options. So the body and the
*plan* (headers, times, queue) of what rows have in common are made once and handed out as the same objects: whoever
groups rows into chunks compares by identity.
"""

from collections.abc import Sequence
from typing import cast

from protocol.lanes import apns_lane
from protocol.preparation.addresses import check_apns_address, get_apns_target, read_channel, read_device_token
from protocol.preparation.fcm_rows import FcmRow, FcmRows
from protocol.preparation.plans import Planner
from protocol.preparation.rows import AppFacts, PreparedRow
from protocol.preparation.webpush_rows import WebPushRows, is_webpush_alone
from protocol.providers.apns.content import merge_content, render_content
from protocol.providers.apns.payload import Body, payload_too_large, read_payload
from protocol.reasons import Reason
from protocol.rejections import Rejection, RowError
from protocol.send.fields import (
    CANCEL_KEY_LIMIT_BYTES,
    ID_LIMIT_BYTES,
    BatchEnvelope,
    Defaults,
    Notification,
    Row,
    Target,
    TargetRow,
    WebPushTarget,
)

_NO_OPTIONS = Defaults()


class Preparation:
    """Prepares the rows of one batch, slice by slice in order."""

    def __init__(self, envelope: BatchEnvelope, facts: AppFacts, accepted_at_ms: int) -> None:
        self._envelope = envelope
        self._planner = Planner(envelope.defaults, facts, accepted_at_ms)
        self._webpush = (
            None if facts.webpush is None else WebPushRows(envelope, facts.name, facts.webpush, accepted_at_ms)
        )
        self._shared_body = _attempt_shared_body(envelope)
        self._shared_track = envelope.defaults.track
        self._shared_cancel_keys = envelope.defaults.cancel_keys
        self._seen_ids: set[str] = set()
        self._fcm = None if facts.fcm is None else FcmRows(envelope, facts, facts.fcm, accepted_at_ms)
        default = None if facts.apns is None else facts.apns.environment
        self._device_lanes = _name_lanes(facts.name, default, is_broadcast=False)
        self._broadcast_lanes = _name_lanes(facts.name, default, is_broadcast=True)

    def prepare_slice(self, rows: Sequence[Row], first_index: int) -> tuple[list[PreparedRow], list[Rejection]]:
        """Return what can be sent and what can't, each in the order of the rows."""
        prepared: list[PreparedRow] = []
        rejections: list[Rejection] = []
        for index, row in enumerate(rows, first_index):
            try:
                prepared.append(self._prepare(index, row))
            except RowError as error:
                rejections.append(
                    Rejection(index=index, id=row.id, reason=error.reason, field=error.field, detail=error.detail)
                )
        return prepared, rejections

    def _prepare(self, index: int, row: Row) -> PreparedRow:
        if row.id is not None:
            self._check_id(row.id)
        target, own = (row, _NO_OPTIONS) if isinstance(row, TargetRow) else (row.to, row)
        if self._fcm is not None and target.fcm is not None and target.apns is None and target.webpush is None:
            return self._finish(index, row.id, own, self._fcm.prepare(target.fcm, own, row))
        if self._webpush is not None and target.webpush is not None and is_webpush_alone(target):
            return self._prepare_webpush(self._webpush, index, row, target.webpush)
        if isinstance(row, TargetRow):
            return self._address(index, row.id, row, _NO_OPTIONS, self._get_shared_body())
        if row.content is None and row.payload_json is None and row.payload_bytes is None:
            return self._address(index, row.id, row.to, row, self._get_shared_body())
        return self._address(index, row.id, row.to, row, self._render_own(row))

    def _address(self, index: int, row_id: str | None, target: Target, own: Defaults, body: Body) -> PreparedRow:
        apns = get_apns_target(target)
        if apns.token is None or apns.channel is not None:
            check_apns_address(apns)
        is_broadcast = apns.token is None
        plan = self._planner.get_plan(own, body.shape, is_broadcast)
        if len(body.data) > plan.payload_limit_bytes:
            raise payload_too_large(body.field, plan.payload_limit_bytes, len(body.data))
        lane = (self._broadcast_lanes if is_broadcast else self._device_lanes)[apns.environment]
        if lane is None:
            raise RowError(Reason.INVALID_OPTION, "to.apns.environment", "the app has no default environment: name one")
        return PreparedRow(
            index,
            lane,
            plan.queue,
            read_channel(cast("str", apns.channel)) if apns.token is None else read_device_token(apns.token),
            body.data,
            plan.variant,
            row_id,
            self._shared_track if own.track is None else own.track,
            self._choose_cancel_keys(own),
        )

    def _finish(self, index: int, row_id: str | None, own: Defaults, sent: FcmRow) -> PreparedRow:
        """Return a row with what is the same for all providers."""
        return PreparedRow(
            index,
            sent.lane,
            sent.queue,
            sent.destination,
            sent.body,
            sent.variant,
            row_id,
            self._shared_track if own.track is None else own.track,
            self._choose_cancel_keys(own),
        )

    def _prepare_webpush(self, rows: WebPushRows, index: int, row: Row, target: WebPushTarget) -> PreparedRow:
        own = _NO_OPTIONS if isinstance(row, TargetRow) else row
        return rows.prepare(
            index,
            row,
            target,
            track=self._shared_track if own.track is None else own.track,
            cancel_keys=self._choose_cancel_keys(own),
        )

    def _check_id(self, row_id: str) -> None:
        if row_id in self._seen_ids:
            raise RowError(Reason.DUPLICATE_ID, "id", "an earlier notification of the batch has this id")
        self._seen_ids.add(row_id)
        if not row_id.isascii() and len(row_id.encode()) > ID_LIMIT_BYTES:
            raise RowError(Reason.INVALID_OPTION, "id", f"an id has at most {ID_LIMIT_BYTES} bytes")

    def _get_shared_body(self) -> Body:
        if isinstance(self._shared_body, RowError):
            raise self._shared_body.again()
        return self._shared_body

    def _render_own(self, row: Notification) -> Body:
        if row.payload_bytes is not None:
            raise _only_json("payload_bytes")
        if row.content is None:
            return read_payload(cast("bytes", row.payload_json), "payload_json")
        if row.payload_json is not None:
            raise RowError(Reason.INVALID_PAYLOAD, "payload_json", "a notification has content or a payload, not both")
        return render_content(merge_content(row.content, self._envelope.content))

    def _choose_cancel_keys(self, own: Defaults) -> list[str] | None:
        keys = self._shared_cancel_keys if own.cancel_keys is None else own.cancel_keys
        if not keys:
            return None
        if any(len(key.encode()) > CANCEL_KEY_LIMIT_BYTES for key in keys):
            raise RowError(
                Reason.INVALID_OPTION, "cancel_keys", f"a cancel key has at most {CANCEL_KEY_LIMIT_BYTES} bytes"
            )
        return keys


def _attempt_shared_body(envelope: BatchEnvelope) -> Body | RowError:
    """Return the body of rows that bring none of their own, or why there is none."""
    try:
        if envelope.payload_bytes is not None:
            return _only_json("payload_bytes")
        if envelope.payload_json is not None:
            return read_payload(envelope.payload_json, "payload_json")
        if envelope.content is not None:
            return render_content(envelope.content)
        return RowError(Reason.INVALID_PAYLOAD, "content", "neither the notification nor its batch has anything to say")
    except RowError as error:
        return error


def _only_json(field: str) -> RowError:
    return RowError(Reason.INVALID_PAYLOAD, field, "only Web Push carries other bytes than JSON")


def _name_lanes(app: str, default: str | None, *, is_broadcast: bool) -> dict[str | None, str | None]:
    """Return lanes by the environment that a caller names; without a name it is the app's default one."""
    lanes: dict[str | None, str | None] = {
        environment: apns_lane(app, environment, broadcast=is_broadcast) for environment in ("production", "sandbox")
    }
    lanes[None] = lanes.get(default)
    return lanes
