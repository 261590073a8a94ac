"""What makes a simulator the simulator of *its* provider: everything else in this package is the same for all.

A provider is an object with the four methods of `Provider`. The server calls them from its one thread, never waits for
them, and asks in this order:

1. `Provider.meet` once a connection: what the provider remembers about who speaks there.
2. `Provider.judge` once a request, when it has come whole. The `Judgement` holds the answer of a *healthy* server, good
   or not, and what the ledger is to say. Every whole request is judged, also one that a GOAWAY has left out.
3. The scenario decides what becomes of the request. A healthy answer that is a success may be replaced by an
   `AnswerEvent`; `Provider.plan_answer` puts its status and reason into the provider's own form. A healthy answer that
   refuses the request stands: a broken rule goes before a planned answer.
4. `Provider.goaway_data` when the connection is told to go.

`AnswerEvent`, `Scenario` and `LedgerEntry` may be derived from by a provider that has more to say. A planned answer
needs no attention to the event's ``body``, ``headers``, ``retry_after`` and ``after_seconds``: the server sees to them.
"""

from collections.abc import Mapping
from typing import Protocol, TypeVar

import msgspec

from bench.simulators.server.answers import Answer
from bench.simulators.server.events import AnswerEvent
from bench.simulators.server.ledger import LedgerEntry
from bench.simulators.server.requests import Request


class Peer(msgspec.Struct, frozen=True, kw_only=True):
    """Who has connected, as far as that is known before the first request."""

    origin: str = ""
    """Name of the listening port."""
    has_certificate: bool = False
    """Whether a client certificate of the simulator's own authority was shown."""


class Sender:
    """What a provider remembers about a connection; this one nothing. A provider that does remember derives from it."""

    __slots__ = ()

    @property
    def is_known(self) -> bool:
        """Whether a good credential was seen here, which ends `StreamLimit.first`. Asked after each judgement."""
        return True


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """How a healthy server takes one request, and what there is to know about it."""

    answer: Answer
    """The healthy answer: a success with its headers and body, or the refusal of a broken rule."""
    destination: str = ""
    """Whom it is for. Events of a scenario find it by this, and so do readers of the ledger."""
    provider_id: str | None = None
    """The provider's name for the message, for `Provider.plan_answer` to repeat; the ledger has it by its own field."""
    body_sha256: str | None = None
    """For the ledger, in hex, when the body that counts is not the one that came (Web Push: the plaintext)."""
    ledger_fields: Mapping[str, object] = {}
    """The fields that the provider's `LedgerEntry` has beyond the common ones, all of them."""
    is_notification: bool = True
    """False for anything besides (an OAuth exchange): no event befalls it, it is not counted, the ledger is silent."""


SenderT = TypeVar("SenderT", bound=Sender)
AnswerEventT_contra = TypeVar("AnswerEventT_contra", bound=AnswerEvent, contravariant=True)


class Provider(Protocol[SenderT, AnswerEventT_contra]):
    """The rules of one provider."""

    @property
    def entry_type(self) -> type[LedgerEntry]:
        """The ledger's kind of line."""
        ...

    def meet(self, peer: Peer) -> SenderT:
        """Return what is remembered of a new connection: `Sender()` when that is nothing."""
        ...

    def judge(self, request: Request, sender: SenderT) -> Judgement:
        """Judge a whole request. Must not raise, whatever a client may send."""
        ...

    def plan_answer(self, event: AnswerEventT_contra, request: Request, judgement: Judgement) -> Answer:
        """Return a scenario's answer in the provider's form: headers, and a body that names ``event.reason``.

        Without a reason the body is empty. Not asked for a success without a reason: that is the healthy answer with
        the event's status.
        """
        ...

    def goaway_data(self, reason: str) -> bytes:
        """Return a GOAWAY's debug data that give this reason."""
        ...
