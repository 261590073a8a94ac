"""The preparation of Web Push rows.

Plaintexts stay plaintexts here: they are encrypted for one subscription each when they are sent, with fresh keys for
every attempt. So rows share them in storage as they do for the other providers.
"""

from typing import cast

import msgspec

from protocol.chunks import Variant
from protocol.lanes import webpush_lane
from protocol.preparation.plans import REMEMBERED_PLANS, choose_queue, make_variant, merge_options
from protocol.preparation.rows import PreparedRow
from protocol.providers.apns.content import merge_content
from protocol.providers.webpush.content import render_content
from protocol.providers.webpush.destinations import pack_destination
from protocol.providers.webpush.facts import WebPushFacts
from protocol.providers.webpush.headers import make_headers
from protocol.providers.webpush.payload import WebPushBody, read_bytes_payload, read_json_payload
from protocol.providers.webpush.subscriptions import read_subscription
from protocol.reasons import Reason
from protocol.rejections import RowError
from protocol.send.fields import (
    BatchEnvelope,
    Content,
    Defaults,
    Notification,
    Row,
    Target,
    TargetRow,
    WebPushOptions,
    WebPushTarget,
)
from protocol.timing import resolve_timing

_NO_OPTIONS = Defaults()


class _Plan(msgspec.Struct, frozen=True):
    """What rows have in common: the same objects for rows that ask for the same."""

    variant: Variant
    queue: int


class WebPushRows:
    """Prepares the Web Push rows of one batch."""

    def __init__(self, envelope: BatchEnvelope, app: str, facts: WebPushFacts, accepted_at_ms: int) -> None:
        self._envelope = envelope
        self._app = app
        self._facts = facts
        self._accepted_at_ms = accepted_at_ms
        self._lanes: dict[str, str] = {}
        self._plans: dict[tuple[object, ...], _Plan | RowError] = {}
        self._shared_bodies: dict[bool | None, WebPushBody | RowError] = {}

    def prepare(
        self, index: int, row: Row, target: WebPushTarget, *, track: bytes | None, cancel_keys: list[str] | None
    ) -> PreparedRow:
        """Return a row ready to be stored. Raises RowError."""
        own = _NO_OPTIONS if isinstance(row, TargetRow) else row
        subscription = read_subscription(target, self._facts.endpoints, self._accepted_at_ms)
        vapid_key = self._facts.get_vapid_key(target.vapid_key)
        if self._facts.is_own_point(subscription.public_key):
            raise RowError(
                Reason.INVALID_TOKEN, "to.webpush.keys.p256dh", "this is the app's own VAPID key, not the browser's"
            )
        body = self._get_body(row, own)
        plan = self._get_plan(own, vapid_key, is_declarative=body.is_declarative)
        return PreparedRow(
            index,
            self._name_lane(subscription.endpoint.origin),
            plan.queue,
            pack_destination(subscription),
            body.data,
            plan.variant,
            row.id,
            track,
            cancel_keys,
        )

    def _name_lane(self, origin: str) -> str:
        return self._lanes.setdefault(origin, webpush_lane(self._app, origin))

    def _get_body(self, row: Row, own: Defaults) -> WebPushBody:
        declarative = self._choose_declarative(own)
        if isinstance(row, TargetRow) or _says_nothing_of_its_own(row):
            return self._get_shared_body(declarative)
        return _render_own(row, self._envelope.content, declarative)

    def _choose_declarative(self, own: Defaults) -> bool | None:
        if own.webpush is not None and own.webpush.declarative is not None:
            return own.webpush.declarative
        shared = self._envelope.defaults.webpush
        return None if shared is None else shared.declarative

    def _get_shared_body(self, declarative: bool | None) -> WebPushBody:
        body = self._shared_bodies.get(declarative)
        if body is None:
            body = self._shared_bodies[declarative] = _attempt_shared_body(self._envelope, declarative)
        if isinstance(body, RowError):
            raise body.again()
        return body

    def _get_plan(self, own: Defaults, vapid_key: str, *, is_declarative: bool) -> _Plan:
        key = (
            own.ttl,
            own.expires_at,
            own.not_before,
            own.urgency,
            own.queue,
            own.collapse,
            own.on_unknown,
            own.webpush,
            vapid_key,
            is_declarative,
        )
        plan = self._plans.get(key)
        if plan is None:
            if len(self._plans) >= REMEMBERED_PLANS:
                self._plans.clear()
            plan = self._plans[key] = self._attempt_plan(own, vapid_key, is_declarative=is_declarative)
        if isinstance(plan, RowError):
            raise plan.again()
        return plan

    def _attempt_plan(self, own: Defaults, vapid_key: str, *, is_declarative: bool) -> _Plan | RowError:
        wanted = merge_options(own, self._envelope.defaults)
        try:
            timing = resolve_timing(
                ttl=wanted.ttl,
                expires_at=wanted.expires_at,
                not_before=wanted.not_before,
                accepted_at_ms=self._accepted_at_ms,
            )
            headers = make_headers(
                wanted.webpush or WebPushOptions(),
                urgency=wanted.urgency,
                collapse=wanted.collapse,
                vapid_key=vapid_key,
                is_declarative=is_declarative,
            )
        except RowError as error:
            return error
        return _Plan(make_variant(timing, headers, wanted), choose_queue(wanted))


def is_webpush_alone(target: Target) -> bool:
    """Whether a target names a subscription and no other address."""
    return target.webpush is not None and target.apns is None and target.fcm is None


def _attempt_shared_body(envelope: BatchEnvelope, declarative: bool | None) -> WebPushBody | RowError:
    """Return the plaintext of rows that bring none of their own, or why there is none."""
    try:
        if envelope.payload_bytes is not None:
            return read_bytes_payload(envelope.payload_bytes, "payload_bytes")
        if envelope.payload_json is not None:
            return read_json_payload(envelope.payload_json, "payload_json")
        if envelope.content is not None:
            return render_content(envelope.content, declarative)
        return RowError(Reason.INVALID_PAYLOAD, "content", "neither the notification nor its batch has anything to say")
    except RowError as error:
        return error


def _says_nothing_of_its_own(row: Notification) -> bool:
    return row.content is None and row.payload_json is None and row.payload_bytes is None


def _render_own(row: Notification, shared: Content | None, declarative: bool | None) -> WebPushBody:
    if [row.content, row.payload_json, row.payload_bytes].count(None) != 2:
        field = "payload_json" if row.payload_bytes is None else "payload_bytes"
        raise RowError(Reason.INVALID_PAYLOAD, field, "a notification has content or one payload, not two of them")
    if row.payload_bytes is not None:
        return read_bytes_payload(row.payload_bytes, "payload_bytes")
    if row.payload_json is not None:
        return read_json_payload(row.payload_json, "payload_json")
    return render_content(merge_content(cast("Content", row.content), shared), declarative)
