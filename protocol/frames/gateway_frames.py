"""What the gateway says. It may gain fields: whoever reads it passes over those it doesn't know."""

import msgspec

from protocol.dead_tokens import DeadToken
from protocol.results import ResultBlock


class _GatewayFrame(msgspec.Struct, tag_field="op", tag=str.lower, omit_defaults=True, frozen=True, kw_only=True):
    """What the gateway says; absent and null are the same."""


class Credits(msgspec.Struct, frozen=True, kw_only=True):
    """How much a connection may have unanswered: in ``welcome`` the whole, in an answer what it gives back."""

    notifications: int
    bytes: int


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The largest batch, and the largest frame of any kind."""

    batch_notifications: int
    batch_bytes: int
    frame_bytes: int


class Welcome(_GatewayFrame, frozen=True):
    """The answer to ``hello``. ``version`` is the one both ends speak from here."""

    version: int
    limits: Limits
    credits: Credits
    features: list[str]


class RejectedRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row that can't be sent; the others of its batch are not affected. ``advice`` is a word of results."""

    index: int
    id: str | None
    reason: str
    advice: str = "none"  # of a gateway that doesn't say it yet
    field: str | None
    detail: str


class Accepted(_GatewayFrame, frozen=True):
    """A batch is durable. A repeat of it gets the same but for ``credits``, what the batch gives back here."""

    batch_id: str
    accepted: int
    rejected: list[RejectedRow]
    credits: Credits | None = None


class Error(_GatewayFrame, frozen=True):
    """A request was refused whole; nothing of it was accepted. ``batch_id`` as far as it could be read."""

    reason: str
    detail: str
    batch_id: str | None = None
    field: str | None = None
    retry_after_ms: int | None = None
    credits: Credits | None = None


class Cancelled(_GatewayFrame, frozen=True):
    """How a cancel went, in notifications; the request's own names are repeated."""

    cancelled: int
    too_late: int
    not_found: int
    batch_id: str | None = None
    app: str | None = None
    cancel_key: str | None = None


class Results(_GatewayFrame, frozen=True):
    """Results in columns, see :mod:`protocol.results`. Acknowledge ``cursor`` once they are safe with you."""

    cursor: str
    blocks: list[ResultBlock]


class DeadTokens(_GatewayFrame, frozen=True, tag="dead_tokens"):
    """Destinations to delete, and the cursor after them."""

    cursor: str
    tokens: list[DeadToken]


class Confirmed(_GatewayFrame, frozen=True):
    """How many dead tokens of an app were released."""

    app: str
    tokens: int


class GatewayPing(_GatewayFrame, frozen=True, tag="ping"):
    """Are you there? Answered by ``pong``."""


class GatewayPong(_GatewayFrame, frozen=True, tag="pong"):
    """The answer to a caller's ``ping``."""


class GatewayGoodbye(_GatewayFrame, frozen=True, tag="goodbye"):
    """The gateway drains: it takes no more sends, answers those it has, then closes."""


GatewayFrame = (
    Welcome
    | Accepted
    | Error
    | Cancelled
    | Results
    | DeadTokens
    | Confirmed
    | GatewayPing
    | GatewayPong
    | GatewayGoodbye
)
