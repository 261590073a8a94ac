"""The FCM rows of a batch: a lane for devices, and one for topics and conditions.

A body holds what the options say (priority, collapse key, the end for an iPhone behind FCM), so bodies are shared by
rows with the same message *and* the same options.
"""

from collections.abc import Hashable

import msgspec

from protocol.lanes import fcm_lane
from protocol.preparation.messages import Reader, refuse_bytes
from protocol.preparation.plans import Plan, choose_queue, make_variant
from protocol.preparation.provider_rows import Address, Batch, ProviderRows
from protocol.providers.fcm.addresses import FAN_OUT_KINDS, read_address
from protocol.providers.fcm.content import render_content
from protocol.providers.fcm.facts import FcmFacts
from protocol.providers.fcm.message import Message, Transport, check_payload_bytes, compose
from protocol.providers.fcm.options import check_options, pick_android
from protocol.providers.fcm.payload import read_payload
from protocol.send.fields import Defaults, FcmOptions, FcmTarget
from protocol.timing import Timing

_PRIORITIES = {"high": "HIGH", "normal": "NORMAL", "low": "NORMAL", None: None}
_READER: Reader[Message] = Reader(content=render_content, json=read_payload, bytes=refuse_bytes)


class FcmPlan(Plan, frozen=True):
    """A plan, and what of it is written into the message."""

    transport: Transport
    is_fan_out: bool


class FcmRows(ProviderRows[FcmTarget, Message, FcmPlan]):
    """Prepares the rows of one batch that go to FCM."""

    name = "fcm"

    def __init__(self, batch: Batch, facts: FcmFacts) -> None:
        super().__init__(batch)
        self._device_lane = fcm_lane(batch.app, facts.project_id)
        self._topic_lane = fcm_lane(batch.app, facts.project_id, topics=True)

    def read_address(self, target: FcmTarget) -> Address:
        """See :class:`ProviderRows`. The kind is whether one message goes to many devices."""
        kind, destination = read_address(target)
        is_fan_out = kind in FAN_OUT_KINDS
        return self._topic_lane if is_fan_out else self._device_lane, destination, is_fan_out

    def choose_reader(self, own: Defaults | None) -> Reader[Message]:
        """See :class:`ProviderRows`."""
        del own
        return _READER

    def find_traits(self, message: Message) -> int | None:
        """See :class:`ProviderRows`."""
        return message.ttl_seconds

    def make_plan(self, wanted: Defaults, kind: Hashable, message: Message) -> FcmPlan:
        """See :class:`ProviderRows`."""
        timing = self._resolve_timing_of(message, wanted)
        options = wanted.fcm or FcmOptions()
        check_options(options)
        transport = Transport(
            priority=_PRIORITIES[options.priority or wanted.urgency],
            collapse=wanted.collapse if options.collapse_key is None else options.collapse_key,
            expires_at_ms=timing.expires_at_ms,
            single_try=timing.single_try,
            android=pick_android(options),
            analytics_label=options.analytics_label,
            validate_only=bool(options.validate_only),
        )
        return FcmPlan(make_variant(timing, (), wanted), choose_queue(wanted), transport, bool(kind))

    def make_body(self, message: Message, plan: FcmPlan) -> bytes:
        """See :class:`ProviderRows`."""
        check_payload_bytes(message, is_fan_out=plan.is_fan_out)
        return compose(message, plan.transport)

    def _resolve_timing_of(self, message: Message, wanted: Defaults) -> Timing:
        """Return the times of a notification; its message's own ``android.ttl`` can only end it earlier."""
        if message.ttl_seconds is None:
            return self.resolve_timing(wanted)
        by_message = self.resolve_timing(msgspec.structs.replace(wanted, ttl=message.ttl_seconds, expires_at=None))
        if wanted.ttl is None and wanted.expires_at is None:
            return by_message
        return min(self.resolve_timing(wanted), by_message, key=lambda each: (not each.single_try, each.expires_at_ms))
