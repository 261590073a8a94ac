"""The APNs rows of a batch: a lane for each environment, and others for broadcasts."""

from collections.abc import Hashable

from protocol.lanes import apns_lane
from protocol.preparation.messages import Reader, refuse_bytes
from protocol.preparation.plans import Plan, choose_queue, make_variant
from protocol.preparation.provider_rows import Address, Batch, ProviderRows
from protocol.providers.apns.addresses import read_address
from protocol.providers.apns.content import render_content
from protocol.providers.apns.facts import ApnsFacts
from protocol.providers.apns.headers import ApnsWishes, make_broadcast_headers, make_headers
from protocol.providers.apns.payload import Body, PayloadShape, payload_too_large, read_payload
from protocol.reasons import Reason
from protocol.rejections import RowError
from protocol.send.fields import ApnsOptions, ApnsTarget, Defaults
from protocol.timing import check_apns_expiration

_READER: Reader[Body] = Reader(content=render_content, json=read_payload, bytes=refuse_bytes)


class ApnsPlan(Plan, frozen=True):
    """A plan, and how large a body its push type may have."""

    payload_limit_bytes: int


class ApnsRows(ProviderRows[ApnsTarget, Body, ApnsPlan]):
    """Prepares the rows of one batch that go to APNs."""

    name = "apns"

    def __init__(self, batch: Batch, facts: ApnsFacts) -> None:
        super().__init__(batch)
        self._facts = facts
        self._device_lanes = _name_lanes(batch.app, facts.environment, is_broadcast=False)
        self._broadcast_lanes = _name_lanes(batch.app, facts.environment, is_broadcast=True)

    def read_address(self, target: ApnsTarget) -> Address:
        """See :class:`ProviderRows`. The kind is whether it is a broadcast."""
        is_broadcast, destination = read_address(target)
        lane = (self._broadcast_lanes if is_broadcast else self._device_lanes)[target.environment]
        if lane is None:
            raise RowError(Reason.INVALID_OPTION, "to.apns.environment", "the app has no default environment: name one")
        return lane, destination, is_broadcast

    def choose_reader(self, own: Defaults | None) -> Reader[Body]:
        """See :class:`ProviderRows`."""
        del own
        return _READER

    def find_traits(self, message: Body) -> PayloadShape:
        """See :class:`ProviderRows`."""
        return message.shape

    def make_plan(self, wanted: Defaults, kind: Hashable, message: Body) -> ApnsPlan:
        """See :class:`ProviderRows`."""
        timing = self.resolve_timing(wanted)
        options = wanted.apns or ApnsOptions()
        if options.expiration is not None:
            check_apns_expiration(options.expiration, self._accepted_at_ms)
        wishes = ApnsWishes(options=options, urgency=wanted.urgency, collapse=wanted.collapse, timing=timing)
        headers = (make_broadcast_headers if kind else make_headers)(wishes, message.shape, self._facts)
        account = self._facts.name_account(names_topic=options.topic is not None and not kind)
        variant = make_variant(timing, headers.fields, wanted, account)
        return ApnsPlan(variant, choose_queue(wanted), headers.payload_limit_bytes)

    def make_body(self, message: Body, plan: ApnsPlan) -> bytes:
        """See :class:`ProviderRows`."""
        if len(message.data) > plan.payload_limit_bytes:
            raise payload_too_large(message.field, plan.payload_limit_bytes, len(message.data))
        return message.data


def _name_lanes(app: str, default: str | None, *, is_broadcast: bool) -> dict[str | None, str | None]:
    """Return lanes by the environment that a caller names; without a name it is the app's default one."""
    lanes: dict[str | None, str | None] = {
        environment: apns_lane(app, environment, broadcast=is_broadcast) for environment in ("production", "sandbox")
    }
    lanes[None] = lanes.get(default)
    return lanes
