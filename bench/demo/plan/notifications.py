"""One planned notification: whom it goes to, what it says, and what is to become of it."""

from typing import Any, Protocol

import msgspec

from bench.judging.history import Kind, ProviderName

APP = "shop"
"""The gateway's only app."""

_ROWS_PER_DEAD = 100
_ROWS_PER_MALFORMED = 200


TITLES = {ProviderName.APNS: "APNs", ProviderName.FCM: "FCM", ProviderName.WEBPUSH: "Web Push"}
"""The providers as people write them."""


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a notification goes to."""

    kind: Kind
    to: dict[str, Any]
    """What stands under the provider's name in ``to``."""
    destination: str
    """As the provider's ledger writes it; unique within the provider."""
    refusal: str | None = None
    """The reason word with which the gateway must refuse what is malformed."""


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """What a notification says."""

    fields: dict[str, bytes]
    """``payload_json`` or ``payload_bytes``; empty where the content stands in the batch."""
    sha256: str
    """That of the body as the provider's ledger has it."""


class PlannedNotification(msgspec.Struct, frozen=True, kw_only=True):
    """One notification as it is to be sent."""

    id: str
    provider: ProviderName
    address: Address
    body: Body
    reports_unknown: bool = False
    """Whether it must not be sent again when nobody knows what became of it (``on_unknown`` = report)."""


class Planner(Protocol):
    """Plans the notifications of one provider; ``number`` counts them from 0."""

    provider: ProviderName

    def make_address(self, number: int) -> Address:
        """Return whom it goes to."""
        ...

    def make_body(self, number: int, address: Address) -> Body:
        """Return a body of its own."""
        ...


def choose_kind(number: int) -> Kind:
    """Spread the kinds evenly, so that their shares hold for small runs too."""
    if number % _ROWS_PER_DEAD == _ROWS_PER_DEAD // 2:
        return Kind.DEAD
    if number % _ROWS_PER_MALFORMED == _ROWS_PER_MALFORMED // 4 + 1:
        return Kind.MALFORMED
    return Kind.LIVE
