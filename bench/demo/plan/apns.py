"""What goes to APNs: alerts to device tokens. Dead ones are known to the scenario by their first digits."""

import hashlib
import random

from bench.demo.plan.notifications import Address, Body, choose_kind
from bench.demo.plan.prose import Prose
from bench.judging.history import Kind, ProviderName

DEAD_PREFIX = "dead"
"""First digits of dead device tokens, in scenarios/apns.toml too."""
MOST_PAYLOAD_BYTES = 4_000

_TOKEN_BYTES = 32
_HEAD = '{ "aps" : { "alert" : { "title" : "Gr\\u00f6\u00dfe %d \u2713", "body" : "'
_TAIL = '" }, "sound" : "default" }, "order" : %d }'


class ApnsPlanner:
    """See :class:`Planner`."""

    provider = ProviderName.APNS

    def __init__(self, source: random.Random, prose: Prose) -> None:
        self._source = source
        self._prose = prose

    def make_address(self, number: int) -> Address:
        """Return a device token, or what is none."""
        kind = choose_kind(number)
        token = self._make_token(kind)
        return Address(
            kind=kind,
            to={"token": token},
            destination=token,
            refusal="invalid_token" if kind is Kind.MALFORMED else None,
        )

    def make_body(self, number: int, address: Address) -> Body:
        """Return an alert, which has to arrive byte for byte."""
        del address
        payload = self._prose.fill(_HEAD % (36 + number % 12), _TAIL % number, MOST_PAYLOAD_BYTES)
        return Body(fields={"payload_json": payload}, sha256=hashlib.sha256(payload).hexdigest())

    def _make_token(self, kind: Kind) -> str:
        digits = self._source.randbytes(_TOKEN_BYTES).hex()
        match kind:
            case Kind.LIVE:
                return f"{self._source.randrange(10)}{digits[1:]}"  # never begins like a dead one
            case Kind.DEAD:
                return f"{DEAD_PREFIX}{digits[len(DEAD_PREFIX) :]}"
            case Kind.MALFORMED:
                return self._source.choice((digits[1:], f"token-{digits}", f"{digits[:20]} {digits[21:]}", digits * 7))
