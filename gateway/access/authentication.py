"""Authentication: from what a door knows of a caller to the principal that it is, or a refusal.

A door gathers :class:`Evidence` and asks an :class:`Authenticator` once, at hello. What comes back is handed down to
everything that the connection does; nothing that a caller writes into a request names a principal. Another way to
authenticate is another field of the evidence and another authenticator. Whoever isn't known is refused.
"""

from collections.abc import Mapping
from typing import Protocol

import msgspec

from gateway.access.principal import DEFAULT, Principal


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What a door knows of a caller. ``user`` is the uid at the other end of a Unix socket, None elsewhere.

    It is whose process connected (unix(7), SO_PEERCRED): a connection that is handed to another process keeps it.
    """

    user: int | None = None


class UnauthenticatedError(Exception):
    """The caller is no principal; the message tells it why, and names nobody who is."""


class Authenticator(Protocol):
    """Finds the principal that a caller is."""

    def authenticate(self, evidence: Evidence) -> Principal:
        """Return the principal. Raises UnauthenticatedError."""
        ...

    def is_reachable(self, stored_as: str) -> bool:
        """Return whether some caller can be the principal of this name in the journal."""
        ...


class OnePrincipal:
    """Everybody is the same principal: the socket's mode, or the network, decides who may call."""

    def __init__(self, principal: Principal) -> None:
        self._principal = principal

    def authenticate(self, evidence: Evidence) -> Principal:  # noqa: ARG002 - whoever it is
        """See :class:`Authenticator`."""
        return self._principal

    def is_reachable(self, stored_as: str) -> bool:
        """See :class:`Authenticator`."""
        return stored_as == self._principal.stored_as


class UnixUsers:
    """Principals by the uid of the process that connected."""

    def __init__(self, principals: Mapping[int, Principal]) -> None:
        self._principals = principals

    def authenticate(self, evidence: Evidence) -> Principal:
        """See :class:`Authenticator`."""
        if evidence.user is None:
            raise UnauthenticatedError("only callers at a Unix socket can be authenticated here")
        principal = self._principals.get(evidence.user)
        if principal is None:
            raise UnauthenticatedError(f"the user with uid {evidence.user} is no principal of this gateway")
        return principal

    def is_reachable(self, stored_as: str) -> bool:
        """See :class:`Authenticator`."""
        return any(principal.stored_as == stored_as for principal in self._principals.values())


def make_authenticator(users: Mapping[int, str], default_belongs_to: str | None) -> Authenticator:
    """Return who finds the principals of the settings: names by uid, and the one that has taken over ``default``."""
    if not users:
        return OnePrincipal(DEFAULT)
    return UnixUsers(
        {
            user: Principal(name=name, stored_as=DEFAULT.stored_as if name == default_belongs_to else name)
            for user, name in users.items()
        }
    )
