"""What goes to FCM: mostly to registration tokens, some to installation ids, a few to topics.

The gateway puts each message together from its target, the time it has left and the caller's own sections. So the
ledger is asked whether the message says the same (`hash_message`), not whether its bytes are the same.
"""

import json
import random
import string

from bench.demo.plan.notifications import Address, Body, choose_kind
from bench.demo.plan.prose import Prose
from bench.judging.history import Kind, ProviderName
from bench.simulators.fcm import hash_message

DEAD_TOKEN_PREFIX = "dead"  # noqa: S105 - no password
"""First letters of dead registration tokens, in scenarios/fcm.toml too."""
# FCM counts keys and values alone: the JSON around them is on top.
MOST_MESSAGE_BYTES = 4_000
MOST_TOPIC_MESSAGE_BYTES = 2_000

# Topics are served one at a time: few enough that they don't set the pace.
_ROWS_PER_TOPIC = 250
_ROWS_PER_INSTALLATION = 25
_LETTERS = string.ascii_letters + string.digits + "-_"
_HEAD = '{ "notification" : { "title" : "Gr\\u00f6\u00dfe %d \u2713", "body" : "'
_TAILS = (
    '" }, "data" : { "order" : "%d" } }',
    '" }, "android" : { "priority" : "HIGH", "notification" : { "tag" : "t" } }, "data" : { "order" : "%d" } }',
)


class FcmPlanner:
    """See :class:`Planner`."""

    provider = ProviderName.FCM

    def __init__(self, source: random.Random, prose: Prose) -> None:
        self._source = source
        self._prose = prose

    def make_address(self, number: int) -> Address:
        """Return a target, or what is none."""
        kind = choose_kind(number)
        if kind is Kind.MALFORMED:
            to = self._make_malformed()
            return Address(kind=kind, to=to, destination=" ".join(to.values()), refusal="invalid_token")
        field, value = self._make_target(kind, number)
        return Address(kind=kind, to={field: value}, destination=value)

    def make_body(self, number: int, address: Address) -> Body:
        """Return the message without its target."""
        most_bytes = MOST_TOPIC_MESSAGE_BYTES if "topic" in address.to else MOST_MESSAGE_BYTES
        head, tail = _HEAD % (36 + number % 12), _TAILS[number % len(_TAILS)] % number
        payload = self._prose.fill(head, tail, most_bytes)
        return Body(fields={"payload_json": payload}, sha256=hash_message(json.loads(payload)))

    def _make_target(self, kind: Kind, number: int) -> tuple[str, str]:
        if kind is Kind.DEAD:
            return "token", self._make_token(DEAD_TOKEN_PREFIX)
        if number % _ROWS_PER_TOPIC == _ROWS_PER_TOPIC // 3:
            return "topic", f"order-{self._letters(12)}"
        if number % _ROWS_PER_INSTALLATION == _ROWS_PER_INSTALLATION // 3:
            return "fid", f"c{self._letters(21)}"
        return "token", self._make_token("c")

    def _make_token(self, beginning: str) -> str:
        """Return a token in the form of the field: an instance id, a colon, and the longer part."""
        return f"{beginning}{self._letters(22 - len(beginning))}:APA91b{self._letters(134)}"

    def _make_malformed(self) -> dict[str, str]:
        token = self._make_token("c")
        return self._source.choice(
            (
                {"token": f"{token[:30]} {token[30:]}"},
                {"token": f'{token[:30]}","topic":"all'},
                {"topic": f"/topics/{token[:12]}"},
                {"token": token, "topic": "all"},
            )
        )

    def _letters(self, count: int) -> str:
        return "".join(self._source.choices(_LETTERS, k=count))
