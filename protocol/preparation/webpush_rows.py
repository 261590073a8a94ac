"""The Web Push rows of a batch: a lane for each origin.

Plaintexts stay plaintexts here: they are encrypted for one subscription each when they are sent, with fresh keys for
every attempt. So rows share them in storage as they do for the other providers.
"""

from collections.abc import Hashable
from functools import partial
from typing import NamedTuple

from protocol.lanes import webpush_lane
from protocol.preparation.messages import Reader
from protocol.preparation.plans import Plan, choose_queue, make_variant
from protocol.preparation.provider_rows import Address, Batch, ProviderRows
from protocol.providers.webpush.content import render_content
from protocol.providers.webpush.destinations import pack_destination
from protocol.providers.webpush.facts import WebPushFacts
from protocol.providers.webpush.headers import make_headers
from protocol.providers.webpush.payload import WebPushBody, read_bytes_payload, read_json_payload
from protocol.providers.webpush.services import DECODES_TOPICS
from protocol.providers.webpush.subscriptions import read_subscription
from protocol.reasons import Reason
from protocol.rejections import RowError
from protocol.send.fields import Defaults, WebPushOptions, WebPushTarget

# By what a row wants of ``declarative``; None: wherever the content can be.
_READERS: dict[bool | None, Reader[WebPushBody]] = {
    declarative: Reader(
        content=partial(render_content, declarative=declarative), json=read_json_payload, bytes=read_bytes_payload
    )
    for declarative in (None, True, False)
}


class _DecodesTopics(NamedTuple):
    """The kind of rows whose service decodes topics; all others' is the key itself, whose hash costs nothing a row."""

    vapid_key: str


class WebPushRows(ProviderRows[WebPushTarget, WebPushBody, Plan]):
    """Prepares the rows of one batch that go to Web Push services."""

    name = "webpush"

    def __init__(self, batch: Batch, facts: WebPushFacts) -> None:
        super().__init__(batch)
        self._facts = facts
        self._origins: dict[str, tuple[str, bool]] = {}

    def read_address(self, target: WebPushTarget) -> Address:
        """See :class:`ProviderRows`. The kind: the app's public key that it was made with, and how topics are read."""
        subscription = read_subscription(target, self._facts.endpoints, self._accepted_at_ms)
        vapid_key = self._facts.get_vapid_key(target.vapid_key)
        if self._facts.is_own_point(subscription.public_key):
            raise RowError(
                Reason.INVALID_TOKEN, "to.webpush.keys.p256dh", "this is the app's own VAPID key, not the browser's"
            )
        lane, decodes_topics = self._find_origin(subscription.endpoint.origin)
        return lane, pack_destination(subscription), _DecodesTopics(vapid_key) if decodes_topics else vapid_key

    def choose_reader(self, own: Defaults | None) -> Reader[WebPushBody]:
        """See :class:`ProviderRows`."""
        if own is not None and own.webpush is not None and own.webpush.declarative is not None:
            return _READERS[own.webpush.declarative]
        shared = self._envelope.defaults.webpush
        return _READERS[None if shared is None else shared.declarative]

    def find_traits(self, message: WebPushBody) -> bool:
        """See :class:`ProviderRows`."""
        return message.is_declarative

    def make_plan(self, wanted: Defaults, kind: Hashable, message: WebPushBody) -> Plan:
        """See :class:`ProviderRows`."""
        decodes_topics = isinstance(kind, _DecodesTopics)
        vapid_key = kind.vapid_key if isinstance(kind, _DecodesTopics) else str(kind)
        headers = make_headers(
            wanted.webpush or WebPushOptions(),
            urgency=wanted.urgency,
            collapse=wanted.collapse,
            vapid_key=vapid_key,
            is_declarative=message.is_declarative,
            decodes_topics=decodes_topics,
        )
        variant = make_variant(self.resolve_timing(wanted), headers, wanted, account=vapid_key)
        return Plan(variant, choose_queue(wanted))

    def make_body(self, message: WebPushBody, plan: Plan) -> bytes:
        """See :class:`ProviderRows`."""
        del plan
        return message.data

    def _find_origin(self, origin: str) -> tuple[str, bool]:
        """Return an origin's lane, and whether its service decodes topics."""
        found = self._origins.get(origin)
        if found is None:
            decodes_topics = self._facts.endpoints.find_service(origin) in DECODES_TOPICS
            found = self._origins[origin] = (webpush_lane(self._app, origin), decodes_topics)
        return found
