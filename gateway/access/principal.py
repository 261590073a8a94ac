"""A principal: the identity behind a caller, as authentication returned it."""

import msgspec


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """Who owns batches, results, subscriptions, dead tokens and batch ids.

    ``name`` is what operators know it by. ``stored_as`` is its name in the journal, the one that the engine is asked
    with: another one for the principal that has taken over what was accepted before there were principals.
    """

    name: str
    stored_as: str


DEFAULT = Principal(name="default", stored_as="default")
"""Every caller of a gateway whose settings name no principals."""
