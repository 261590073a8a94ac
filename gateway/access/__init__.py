"""Who calls: principals, and how a door finds out which one it talks with."""

from gateway.access.authentication import (
    Authenticator,
    Evidence,
    OnePrincipal,
    UnauthenticatedError,
    UnixUsers,
    make_authenticator,
)
from gateway.access.principal import DEFAULT, Principal

__all__ = [
    "DEFAULT",
    "Authenticator",
    "Evidence",
    "OnePrincipal",
    "Principal",
    "UnauthenticatedError",
    "UnixUsers",
    "make_authenticator",
]
