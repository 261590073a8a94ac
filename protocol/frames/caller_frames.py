"""What callers say. Strict: an unknown field is refused with its place."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from protocol.send.fields import BatchId, CancelKey, Name, RowId, SendFrame

Cursor = Annotated[str, Meta(min_length=1, max_length=128)]


class _CallerFrame(
    msgspec.Struct, tag_field="op", tag=str.lower, forbid_unknown_fields=True, frozen=True, kw_only=True, gc=False
):
    """What callers say, decoded strictly."""


class Hello(_CallerFrame, frozen=True):
    """The first frame of a connection. ``key`` is the caller's secret, where the door wants one."""

    version: Annotated[int, Meta(ge=0, le=65535)]
    key: Annotated[str, Meta(max_length=1024)] | None = None


class Cancel(_CallerFrame, frozen=True):
    """Cancel a batch, rows of it by ``ids`` or ``indexes``, or what carries ``cancel_key`` in ``app``."""

    batch_id: BatchId | None = None
    ids: Annotated[list[RowId], Meta(max_length=10_000)] | None = None
    indexes: Annotated[list[Annotated[int, Meta(ge=0, le=2**31 - 1)]], Meta(max_length=10_000)] | None = None
    app: Name | None = None
    cancel_key: CancelKey | None = None


class Subscribe(_CallerFrame, frozen=True):
    """Start reading a feed: after ``cursor``, of a named ``subscription``, or with neither from the oldest kept."""

    feed: Literal["results", "dead_tokens"] = "results"
    cursor: Cursor | None = None
    subscription: Name | None = None


class Unsubscribe(_CallerFrame, frozen=True):
    """Forget a named ``subscription``: it holds nothing back any more."""

    subscription: Name


class ConfirmDeadTokens(_CallerFrame, frozen=True, tag="confirm_dead_tokens"):
    """Somebody has looked: release the dead tokens of an app that are held because they are out of the ordinary."""

    app: Name


class Ack(_CallerFrame, frozen=True):
    """Everything up to and including ``cursor`` was read and may be forgotten."""

    cursor: Cursor


class Ping(_CallerFrame, frozen=True):
    """Are you there? Answered by ``pong``."""


class Pong(_CallerFrame, frozen=True):
    """The answer to ``ping``."""


class Goodbye(_CallerFrame, frozen=True):
    """No more sends from here; what is under way is still answered."""


CallerFrame = Hello | SendFrame | Cancel | Subscribe | Unsubscribe | ConfirmDeadTokens | Ack | Ping | Pong | Goodbye
