"""The plan of a notification: headers, times and queue, made once for all rows that ask for the same."""

from typing import TypeVar

import msgspec

from protocol.chunks import Variant
from protocol.preparation.rows import AppFacts
from protocol.providers.apns.facts import ApnsFacts
from protocol.providers.apns.headers import ApnsWishes, make_broadcast_headers, make_headers
from protocol.providers.apns.payload import PayloadShape
from protocol.reasons import Reason
from protocol.rejections import RowError
from protocol.send.fields import ApnsOptions, Defaults, WebPushOptions
from protocol.timing import Timing, resolve_timing

QUEUES = {"urgent": 0, "normal": 1, "bulk": 2}
QUEUE_OF_URGENCY = {"high": 0, "normal": 1, "low": 2, None: 1}

# Rows whose options all differ would otherwise keep a plan each; so many distinct ones share nothing worth keeping.
REMEMBERED_PLANS = 1000

Value = TypeVar("Value")


class Plan(msgspec.Struct, frozen=True):
    """What rows have in common beside their body; the same object for rows that ask for the same."""

    variant: Variant
    queue: int
    payload_limit_bytes: int


class Planner:
    """Makes and remembers the plans of one batch."""

    def __init__(self, defaults: Defaults, facts: AppFacts, accepted_at_ms: int) -> None:
        self._defaults = defaults
        self._facts = facts
        self._accepted_at_ms = accepted_at_ms
        self._plans: dict[tuple[object, ...], Plan | RowError] = {}

    def get_plan(self, own: Defaults, shape: PayloadShape, is_broadcast: bool) -> Plan:
        """Return the plan for a notification's own options and payload. Raises RowError."""
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
            shape,
            is_broadcast,
        )
        plan = self._plans.get(key)
        if plan is None:
            plan = self._attempt(own, shape, is_broadcast)
            if len(self._plans) >= REMEMBERED_PLANS:
                self._plans.clear()
            self._plans[key] = plan
        if isinstance(plan, RowError):
            raise plan.again()
        return plan

    def _attempt(self, own: Defaults, shape: PayloadShape, is_broadcast: bool) -> Plan | RowError:
        if self._facts.apns is None:
            return RowError(Reason.NOT_SUPPORTED, "to.apns", "the app has no APNs credentials configured")
        try:
            return self._make_plan(merge_options(own, self._defaults), shape, is_broadcast, self._facts.apns)
        except RowError as error:
            return error

    def _make_plan(self, wanted: Defaults, shape: PayloadShape, is_broadcast: bool, facts: ApnsFacts) -> Plan:
        for name in ("fcm", "webpush"):
            # What an app can send is ignored for other providers' rows: a batch may mix them.
            if getattr(wanted, name) is not None and getattr(self._facts, name, None) is None:
                raise RowError(Reason.NOT_SUPPORTED, name, "options of this provider are not supported yet")
        timing = resolve_timing(
            ttl=wanted.ttl,
            expires_at=wanted.expires_at,
            not_before=wanted.not_before,
            accepted_at_ms=self._accepted_at_ms,
        )
        wishes = ApnsWishes(
            options=wanted.apns or ApnsOptions(), urgency=wanted.urgency, collapse=wanted.collapse, timing=timing
        )
        headers = (make_broadcast_headers if is_broadcast else make_headers)(wishes, shape, facts)
        return Plan(
            variant=make_variant(timing, headers.fields, wanted),
            queue=choose_queue(wanted),
            payload_limit_bytes=headers.payload_limit_bytes,
        )


def choose_queue(wanted: Defaults) -> int:
    """Return the number of the queue: the one asked for, else by urgency."""
    return QUEUE_OF_URGENCY[wanted.urgency] if wanted.queue is None else QUEUES[wanted.queue]


def make_variant(timing: Timing, headers: tuple[tuple[bytes, bytes], ...], wanted: Defaults) -> Variant:
    """Return what rows with these times, header fields and options have in common in a chunk."""
    return Variant(
        expires_at_ms=timing.expires_at_ms,
        headers=headers,
        not_before_ms=timing.not_before_ms,
        report_unknown=wanted.on_unknown == "report",
        single_try=timing.single_try,
    )


def merge_options(own: Defaults, shared: Defaults) -> Defaults:
    """Return a notification's options with the batch's where it has none of its own.

    ttl and expires_at are two ways of saying one thing, so an own one takes the place of either.
    """
    has_own_end = own.ttl is not None or own.expires_at is not None
    return Defaults(
        ttl=own.ttl if has_own_end else shared.ttl,
        expires_at=own.expires_at if has_own_end else shared.expires_at,
        not_before=_first(own.not_before, shared.not_before),
        urgency=_first(own.urgency, shared.urgency),
        queue=_first(own.queue, shared.queue),
        collapse=_first(own.collapse, shared.collapse),
        on_unknown=_first(own.on_unknown, shared.on_unknown),
        apns=_merge_apns_options(own.apns, shared.apns),
        fcm=_first(own.fcm, shared.fcm),
        webpush=_merge_webpush_options(own.webpush, shared.webpush),
    )


def _merge_apns_options(own: ApnsOptions | None, shared: ApnsOptions | None) -> ApnsOptions | None:
    if own is None or shared is None:
        return _first(own, shared)
    return ApnsOptions(
        push_type=_first(own.push_type, shared.push_type),
        topic=_first(own.topic, shared.topic),
        priority=_first(own.priority, shared.priority),
        collapse_id=_first(own.collapse_id, shared.collapse_id),
        expiration=_first(own.expiration, shared.expiration),
    )


def _merge_webpush_options(own: WebPushOptions | None, shared: WebPushOptions | None) -> WebPushOptions | None:
    if own is None or shared is None:
        return _first(own, shared)
    return WebPushOptions(
        urgency=_first(own.urgency, shared.urgency),
        topic=_first(own.topic, shared.topic),
        declarative=_first(own.declarative, shared.declarative),
    )


def _first(own: Value | None, shared: Value | None) -> Value | None:
    return shared if own is None else own
