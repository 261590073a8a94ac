"""The FCM rows of a batch: their lane, destination, plan and body.

A body holds what the options say (priority, collapse key), so bodies are shared by rows with the same message *and* the
same options; variants by rows with the same options and the same ``android.ttl``.
"""

from typing import cast

import msgspec

from protocol.chunks import Variant
from protocol.lanes import fcm_lane
from protocol.preparation.plans import (
    REMEMBERED_PLANS,
    choose_queue,
    make_variant,
    merge_options,
)
from protocol.preparation.rows import AppFacts
from protocol.providers.apns.content import merge_content
from protocol.providers.fcm import FcmFacts
from protocol.providers.fcm.addresses import FAN_OUT_KINDS, read_address
from protocol.providers.fcm.content import render_content
from protocol.providers.fcm.message import Message, Transport, check_payload_bytes, compose
from protocol.providers.fcm.payload import read_payload
from protocol.reasons import Reason
from protocol.rejections import RowError
from protocol.send.fields import BatchEnvelope, Defaults, FcmTarget, Notification, Row
from protocol.timing import Timing, resolve_timing

_PRIORITIES = {"high": "HIGH", "normal": "NORMAL", "low": "NORMAL", None: None}


class FcmPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What rows have in common beside their message; the same object for rows that ask for the same."""

    variant: Variant
    queue: int
    transport: Transport


class FcmRow(msgspec.Struct, frozen=True, gc=False):
    """What becomes of one row at FCM, short of what is the same for all providers."""

    lane: str
    queue: int
    destination: bytes
    body: bytes
    variant: Variant


class FcmRows:
    """Prepares the rows of one batch that go to FCM; what they share is made once, when the first one asks."""

    def __init__(self, envelope: BatchEnvelope, facts: AppFacts, fcm: FcmFacts, accepted_at_ms: int) -> None:
        self._envelope = envelope
        self._facts = facts
        self._accepted_at_ms = accepted_at_ms
        self._device_lane = fcm_lane(facts.name, fcm.project_id)
        self._topic_lane = fcm_lane(facts.name, fcm.project_id, topics=True)
        self._plans: dict[tuple[object, ...], FcmPlan] = {}
        self._shared_bodies: dict[Transport, bytes] = {}
        self._shared_message: Message | RowError | None = None

    def prepare(self, target: FcmTarget, own: Defaults, row: Row) -> FcmRow:
        """Return where a row goes and what is stored of it. Raises RowError."""
        kind, destination = read_address(target)
        has_own = isinstance(row, Notification) and _has_own_message(row)
        message = self._read_own(cast("Notification", row)) if has_own else self._get_shared_message()
        is_fan_out = kind in FAN_OUT_KINDS
        check_payload_bytes(message, is_fan_out=is_fan_out)
        plan = self._get_plan(own, message.ttl_seconds)
        return FcmRow(
            self._topic_lane if is_fan_out else self._device_lane,
            plan.queue,
            destination,
            compose(message, plan.transport) if has_own else self._get_shared_body(message, plan.transport),
            plan.variant,
        )

    def _read_own(self, row: Notification) -> Message:
        if row.payload_bytes is not None:
            raise _only_json()
        if row.content is None:
            return read_payload(cast("bytes", row.payload_json), "payload_json")
        if row.payload_json is not None:
            raise RowError(Reason.INVALID_PAYLOAD, "payload_json", "a notification has content or a payload, not both")
        return render_content(merge_content(row.content, self._envelope.content))

    def _get_shared_message(self) -> Message:
        if self._shared_message is None:
            self._shared_message = _attempt_shared_message(self._envelope)
        if isinstance(self._shared_message, RowError):
            raise self._shared_message.again()
        return self._shared_message

    def _get_shared_body(self, message: Message, transport: Transport) -> bytes:
        body = self._shared_bodies.get(transport)
        if body is None:
            if len(self._shared_bodies) >= REMEMBERED_PLANS:
                self._shared_bodies.clear()
            body = self._shared_bodies[transport] = compose(message, transport)
        return body

    def _get_plan(self, own: Defaults, message_ttl: int | None) -> FcmPlan:
        key = (
            own.ttl,
            own.expires_at,
            own.not_before,
            own.urgency,
            own.queue,
            own.collapse,
            own.on_unknown,
            own.apns,
            own.fcm,
            own.webpush,
            message_ttl,
        )
        plan = self._plans.get(key)
        if plan is None:
            plan = self._make_plan(merge_options(own, self._envelope.defaults), message_ttl)
            if len(self._plans) >= REMEMBERED_PLANS:
                self._plans.clear()
            self._plans[key] = plan
        return plan

    def _make_plan(self, wanted: Defaults, message_ttl: int | None) -> FcmPlan:
        if wanted.webpush is not None and self._facts.webpush is None:
            raise RowError(Reason.NOT_SUPPORTED, "webpush", "options of this provider are not supported yet")
        timing = self._resolve_timing(wanted, message_ttl)
        return FcmPlan(
            variant=make_variant(timing, (), wanted),
            queue=choose_queue(wanted),
            transport=Transport(
                priority=_PRIORITIES[wanted.urgency],
                collapse=wanted.collapse,
                expires_at_ms=timing.expires_at_ms,
                single_try=timing.single_try,
            ),
        )

    def _resolve_timing(self, wanted: Defaults, message_ttl: int | None) -> Timing:
        """Return the times of a notification; its message's own ``android.ttl`` can only end it earlier."""

        def resolve(ttl: int | None, expires_at: int | None) -> Timing:
            return resolve_timing(
                ttl=ttl, expires_at=expires_at, not_before=wanted.not_before, accepted_at_ms=self._accepted_at_ms
            )

        if message_ttl is not None and wanted.ttl is None and wanted.expires_at is None:
            return resolve(message_ttl, None)
        timing = resolve(wanted.ttl, wanted.expires_at)
        if message_ttl is None:
            return timing
        return min(timing, resolve(message_ttl, None), key=lambda each: (not each.single_try, each.expires_at_ms))


def _attempt_shared_message(envelope: BatchEnvelope) -> Message | RowError:
    """Return the message of rows that bring none of their own, or why there is none."""
    try:
        if envelope.payload_bytes is not None:
            return _only_json()
        if envelope.payload_json is not None:
            return read_payload(envelope.payload_json, "payload_json")
        if envelope.content is not None:
            return render_content(envelope.content)
        return RowError(Reason.INVALID_PAYLOAD, "content", "neither the notification nor its batch has anything to say")
    except RowError as error:
        return error


def _has_own_message(row: Notification) -> bool:
    return row.content is not None or row.payload_json is not None or row.payload_bytes is not None


def _only_json() -> RowError:
    return RowError(Reason.INVALID_PAYLOAD, "payload_bytes", "only Web Push carries other bytes than JSON")
