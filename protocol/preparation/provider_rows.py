"""The rows of a batch that go to one provider: where to, then what they say, then how that is carried.

Each provider says for itself how it reads an address and a message, and what plan and body follow from them. What
they have in common stands here: a message of the row's own or the shared one, options merged, and the memories.

Cost decides the shape. The 10,000 rows of a batch mostly share one message and one set of options, so what becomes of
these is made once and found again by the options that a row brings, which for the rows of ``targets`` are none. All
such rows get the very same variant and body objects: whoever groups rows into chunks compares by identity.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable
from operator import attrgetter
from typing import Generic, NamedTuple, NoReturn, Protocol, TypeVar

import msgspec

from protocol.chunks import Variant
from protocol.preparation.memory import Memory
from protocol.preparation.merging import fill_in, merge_options
from protocol.reasons import Reason
from protocol.rejections import RowError
from protocol.send.fields import BatchEnvelope, Content, Defaults, Notification
from protocol.timing import Timing, resolve_timing

QUEUES = {"urgent": 0, "normal": 1, "bulk": 2}
QUEUE_OF_URGENCY = {"high": 0, "normal": 1, "low": 2, None: 1}
# The options that a plan follows from, beside the provider's own.
_PLANNED_OPTIONS = ("ttl", "expires_at", "not_before", "urgency", "queue", "collapse", "on_unknown")

# Where a row goes and what is stored of it: lane, queue, destination, body, variant. A plain tuple, made for every row.
Placed = tuple[str, int, bytes, bytes, Variant]
# Lane, destination, and what of the address the plan depends on.
Address = tuple[str, bytes, Hashable]

AnyTarget = TypeVar("AnyTarget")
AnyTarget_contra = TypeVar("AnyTarget_contra", contravariant=True)
Message = TypeVar("Message")


class Batch(NamedTuple):
    """A batch as its rows see it: what the caller sent, the app's name, and the moment, in UNIX milliseconds."""

    envelope: BatchEnvelope
    app: str
    accepted_at_ms: int


class Plan(msgspec.Struct, frozen=True):
    """What rows have in common beside their body; the same object for rows that ask for the same."""

    variant: Variant
    queue: int


AnyPlan = TypeVar("AnyPlan", bound=Plan)


class Reader(msgspec.Struct, Generic[Message], frozen=True, kw_only=True):
    """How one provider reads each kind of content; the second argument of a payload's reader is its field."""

    content: Callable[[Content], Message]
    json: Callable[[bytes, str], Message]
    bytes: Callable[[bytes, str], Message]


class RowPreparer(Protocol[AnyTarget_contra]):
    """The one thing that is asked of a provider here."""

    def prepare(self, target: AnyTarget_contra, own: Notification | None) -> Placed:
        """Return where a row goes and what is stored of it; ``own`` is None for ``targets``. Raises RowError."""
        ...


class Unconfigured:
    """Stands for a provider that the app has no credentials for."""

    def __init__(self, name: str, title: str) -> None:
        self._name = name
        self._title = title

    def prepare(self, target: object, own: Notification | None) -> Placed:
        """Raise RowError."""
        del target, own
        raise RowError(
            Reason.NOT_SUPPORTED, f"to.{self._name}", f"the app has no credentials for {self._title} configured"
        )


class ProviderRows(ABC, Generic[AnyTarget, Message, AnyPlan]):
    """Prepares the rows of one batch that go to the provider ``name``."""

    name: str

    def __init__(self, batch: Batch) -> None:
        self._envelope, self._app, self._accepted_at_ms = batch
        self._pick_options = attrgetter(*_PLANNED_OPTIONS, self.name)
        self._messages: Memory[Message] = Memory()
        self._plans: Memory[AnyPlan] = Memory()
        self._shared: Memory[tuple[AnyPlan, bytes]] = Memory()

    def prepare(self, target: AnyTarget, own: Notification | None) -> Placed:
        """Return where a row goes and what is stored of it; ``own`` is None for ``targets``. Raises RowError."""
        lane, destination, kind = self.read_address(target)
        options = None if own is None else self._pick_options(own)
        if own is None or (own.content is None and own.payload_json is None and own.payload_bytes is None):
            plan, body = self._shared.get((options, kind), self._prepare_shared, own, options, kind)
        else:
            message = _read_own(own, self._envelope.content, self.choose_reader(own))
            plan = self._get_plan(own, options, kind, message)
            body = self.make_body(message, plan)
        return lane, plan.queue, destination, body, plan.variant

    @abstractmethod
    def read_address(self, target: AnyTarget) -> Address:
        """Return where a row goes. Raises RowError."""

    @abstractmethod
    def choose_reader(self, own: Defaults | None) -> Reader[Message]:
        """Return what reads the row's content; the same object for rows that share a message."""

    @abstractmethod
    def find_traits(self, message: Message) -> Hashable:
        """Return what of a message the plan depends on."""

    @abstractmethod
    def make_plan(self, wanted: Defaults, kind: Hashable, message: Message) -> AnyPlan:
        """Return the plan of rows with these options, this kind of address and such a message. Raises RowError."""

    @abstractmethod
    def make_body(self, message: Message, plan: AnyPlan) -> bytes:
        """Return the body that is stored. Raises RowError where it is too large."""

    def resolve_timing(self, wanted: Defaults) -> Timing:
        """Return when rows with these options may be sent and until when. Raises RowError."""
        return resolve_timing(
            ttl=wanted.ttl,
            expires_at=wanted.expires_at,
            not_before=wanted.not_before,
            accepted_at_ms=self._accepted_at_ms,
        )

    def _prepare_shared(self, own: Defaults | None, options: Hashable, kind: Hashable) -> tuple[AnyPlan, bytes]:
        reader = self.choose_reader(own)
        message = self._messages.get(reader, _read_shared, self._envelope, reader)
        plan = self._get_plan(own, options, kind, message)
        return plan, self.make_body(message, plan)

    def _get_plan(self, own: Defaults | None, options: Hashable, kind: Hashable, message: Message) -> AnyPlan:
        return self._plans.get((options, kind, self.find_traits(message)), self._plan, own, kind, message)

    def _plan(self, own: Defaults | None, kind: Hashable, message: Message) -> AnyPlan:
        return self.make_plan(merge_options(own, self._envelope.defaults), kind, message)


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


def refuse_bytes(data: bytes, field: str) -> NoReturn:
    """Read other bytes than JSON for a provider that carries none: raise RowError."""
    del data
    raise RowError(Reason.INVALID_PAYLOAD, field, "only Web Push carries other bytes than JSON")


def _read_shared(envelope: BatchEnvelope, reader: Reader[Message]) -> Message:
    """Return the message of rows that bring none of their own. Raises RowError."""
    if envelope.payload_bytes is not None:
        return reader.bytes(envelope.payload_bytes, "payload_bytes")
    if envelope.payload_json is not None:
        return reader.json(envelope.payload_json, "payload_json")
    if envelope.content is not None:
        return reader.content(envelope.content)
    raise RowError(Reason.INVALID_PAYLOAD, "content", "neither the notification nor its batch has anything to say")


def _read_own(own: Notification, shared: Content | None, reader: Reader[Message]) -> Message:
    """Return the message of a notification that brings one; the batch's content fills in its own. Raises RowError."""
    if [own.content, own.payload_json, own.payload_bytes].count(None) != 2:
        field = "payload_json" if own.payload_bytes is None else "payload_bytes"
        raise RowError(Reason.INVALID_PAYLOAD, field, "a notification has content or one payload, not two of them")
    if own.payload_bytes is not None:
        return reader.bytes(own.payload_bytes, "payload_bytes")
    if own.payload_json is not None:
        return reader.json(own.payload_json, "payload_json")
    return reader.content(fill_in(own.content, shared) or Content())
