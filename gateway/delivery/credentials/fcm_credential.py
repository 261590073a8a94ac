"""Who an app is at FCM: its Firebase project, and the access token of the service account that may send for it."""

from gateway.delivery.credentials.access_token_source import AccessTokenSource


class FcmCredential:
    """One app's project; apps with one service account share ``source``. Times are UNIX seconds."""

    def __init__(self, project_id: str, source: AccessTokenSource) -> None:
        self.project_id = project_id
        self.source = source

    def __repr__(self) -> str:
        return f"<FcmCredential of the project {self.project_id}, {self.source!r}>"

    def adopt(self, fresh: "FcmCredential") -> bool:
        """Take the key from what was read from the same settings; return whether it was another one."""
        return self.source.adopt(fresh.source)

    def authorization(self, now: float) -> bytes | None:
        """Return the value of the ``authorization`` header, one object until it changes; None without a valid token."""
        return self.source.current(now)

    async def acquire(self) -> bytes:
        """Return the header's value, waiting for a token when none is held. Raises CredentialUnavailableError."""
        return await self.source.acquire()

    def renew(self, authorization: bytes) -> bool:
        """Be told that FCM refused this very value; return whether a repeat is worthwhile."""
        return self.source.renew(authorization)

    async def run(self) -> None:
        """Keep a token ready until cancelled; a failed exchange is logged and tried again."""
        await self.source.run()
