"""The rows of a batch that go to one provider: where to, then what they say, then how that is carried.

Each provider says for itself how it reads an address and a message, and what plan and body follow from them. What
they have in common stands here: a message of the row's own or the shared one, options merged, and the memories.

Cost decides the shape. The 10,000 rows of a batch mostly share one message and one set of options, so what becomes of
these is made once and found again by the options that a row brings, which for the rows of ``targets`` are none. All
such rows get the very same plan and body objects: see :mod:`protocol.preparation.columns`.
"""

from abc import ABC, abstractmethod
from collections.abc import Hashable
from operator import attrgetter
from typing import Generic, NamedTuple, Protocol, TypeVar

from protocol.preparation.columns import ROW_OVERHEAD_BYTES, Columns
from protocol.preparation.memory import Memory
from protocol.preparation.merging import merge_options
from protocol.preparation.messages import Message, Reader, read_own, read_shared
from protocol.preparation.plans import Plan
from protocol.reasons import Reason
from protocol.rejections import RowError
from protocol.send.fields import BatchEnvelope, Defaults, Notification
from protocol.timing import Timing, resolve_timing

# The options that a plan follows from, beside the provider's own.
_PLANNED_OPTIONS = ("ttl", "expires_at", "not_before", "urgency", "queue", "collapse", "on_unknown")

# Lane, destination, and what of the address the plan depends on.
Address = tuple[str, bytes, Hashable]

AnyTarget = TypeVar("AnyTarget")
AnyTarget_contra = TypeVar("AnyTarget_contra", contravariant=True)


class Batch(NamedTuple):
    """A batch as its rows see it: what the caller sent, the app's name, and the moment, in UNIX milliseconds."""

    envelope: BatchEnvelope
    app: str
    accepted_at_ms: int


AnyPlan = TypeVar("AnyPlan", bound=Plan)


class RowPreparer(Protocol[AnyTarget_contra]):
    """The one thing that is asked of a provider here."""

    def prepare(self, columns: Columns, target: AnyTarget_contra, own: Notification | None) -> None:
        """Fill the next place with where a row goes and what it says. Raises RowError.

        ``own`` is None for ``targets``. What is the same for every provider (id, track) is left to the caller.
        """
        ...


class Unconfigured:
    """Stands for a provider that the app has no credentials for."""

    def __init__(self, name: str, title: str) -> None:
        self._name = name
        self._title = title

    def prepare(self, columns: Columns, target: object, own: Notification | None) -> None:
        """Raise RowError."""
        del columns, target, own
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

    def prepare(self, columns: Columns, target: AnyTarget, own: Notification | None) -> None:
        """See :class:`RowPreparer`."""
        lane, destination, kind = self.read_address(target)
        options = None if own is None else self._pick_options(own)
        if own is None or (own.content is None and own.payload_json is None and own.payload_bytes is None):
            found = self._shared.find((options, kind))
            if found is None or isinstance(found, RowError):
                found = self._shared.get((options, kind), self._prepare_shared, own, options, kind)
            plan, body = found
        else:
            message = read_own(own, self._envelope.content, self.choose_reader(own))
            plan = self._get_plan(own, options, kind, message)
            body = self.make_body(message, plan)
        at = columns.rows
        columns.lanes[at] = lane
        columns.plans[at] = plan
        columns.bodies[at] = body
        columns.destinations[at] = destination
        columns.sizes[at] = ROW_OVERHEAD_BYTES + len(destination)

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
        message = self._messages.get(reader, read_shared, self._envelope, reader)
        plan = self._get_plan(own, options, kind, message)
        return plan, self.make_body(message, plan)

    def _get_plan(self, own: Defaults | None, options: Hashable, kind: Hashable, message: Message) -> AnyPlan:
        return self._plans.get((options, kind, self.find_traits(message)), self._plan, own, kind, message)

    def _plan(self, own: Defaults | None, kind: Hashable, message: Message) -> AnyPlan:
        return self.make_plan(merge_options(own, self._envelope.defaults), kind, message)
