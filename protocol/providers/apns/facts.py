"""What must be known of an app's APNs configuration to prepare and build its requests."""

import msgspec

from protocol.lanes import ApnsEnvironment


class ApnsFacts(msgspec.Struct, frozen=True, kw_only=True):
    """``topic`` is the bundle id, ``environment`` the default one; ``token_auth`` is False with a certificate."""

    topic: str | None
    environment: ApnsEnvironment | None
    token_auth: bool
