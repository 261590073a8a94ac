"""Who may call, and which principal each caller is."""

from collections.abc import Iterator
from typing import Annotated

import msgspec
from msgspec import Meta

from gateway.config.sections.section import Contradiction, Section

DEFAULT_NAME = "default"

Uid = Annotated[
    str,
    # The last one is -1, which means no user to the kernel.
    Meta(pattern=r"\A(0|[1-9][0-9]{0,9})\Z", description="a uid in digits, as `id -u NAME` prints it"),
]
PrincipalName = Annotated[
    str,
    Meta(
        pattern=r"\A[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\Z",
        description="a name of 1 to 64 letters, digits, '_', '.' or '-'",
    ),
]
LARGEST_UID = 2**32 - 2


class AccessSettings(Section, frozen=True, kw_only=True):
    """Principals. Without any every caller is ``default``, and the mode of the socket says who may connect."""

    # Uids at the other end of a Unix socket: the kernel vouches for them, and nobody has a secret to keep.
    users: dict[Uid, PrincipalName] = msgspec.field(default_factory=dict)
    # Whoever was `default` alone goes on under a name of its own, with what is queued and unread.
    default_belongs_to: PrincipalName | None = None

    @property
    def principals_by_uid(self) -> dict[int, str]:
        """Names by uid."""
        return {int(uid): name for uid, name in self.users.items()}

    def find_contradictions(self) -> Iterator[Contradiction]:
        """See :class:`Section`."""
        for uid in self.users:
            if int(uid) > LARGEST_UID:
                yield ("users",), f"{uid}: a uid is at most {LARGEST_UID}"
        owner = self.default_belongs_to
        if owner is None:
            return
        names = set(self.users.values())
        if owner not in names:
            yield ("default_belongs_to", "users"), f"{owner} is no principal: access.users has nobody of this name"
        elif owner != DEFAULT_NAME and DEFAULT_NAME in names:
            detail = f"{owner} and the principal {DEFAULT_NAME} of access.users would read and cancel each other's"
            yield ("default_belongs_to", "users"), detail
