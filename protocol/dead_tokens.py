"""Destinations that callers should delete, one by one: few enough to be spelled out."""

import msgspec


class DeadToken(msgspec.Struct, frozen=True, kw_only=True):
    """A destination to delete, as its caller writes it, and the notification that brought it to light.

    ``dead_since`` (UNIX milliseconds) is the provider's word, else the moment at which it said so. A destination that
    was registered anew since then is alive: compare before deleting.
    """

    batch_id: str
    index: int
    id: str | None
    app: str
    provider: str
    destination: str
    dead_since: int
