"""Who an app is at APNs: a provider token that changes every half hour, or a client certificate."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.delivery.credentials.provider_token import ProviderTokenSource

if TYPE_CHECKING:
    from gateway.delivery.credentials.client_certificate import ClientCertificate


class ApnsCredential:
    """Exactly one of token source and certificate. Nothing secret shows in ``repr``. Times are UNIX seconds."""

    def __init__(
        self, *, token: ProviderTokenSource | None = None, certificate: "ClientCertificate | None" = None
    ) -> None:
        if (token is None) == (certificate is None):
            raise ValueError("an APNs credential is either a token source or a certificate")
        self.token = token
        self.certificate = certificate

    def __repr__(self) -> str:
        if self.certificate is not None:
            return f"<ApnsCredential certificate {self.certificate.certificate_file}>"
        return f"<ApnsCredential {self.token!r}>"

    def adopt(self, fresh: "ApnsCredential") -> bool:
        """Take key or certificate from what was read from the same settings; return whether it was another one."""
        if self.token is not None and fresh.token is not None:
            return self.token.take_key(fresh.token.key)
        is_new = self.certificate != fresh.certificate
        self.certificate = fresh.certificate
        return is_new

    @property
    def certificate_chain(self) -> tuple[Path, Path] | None:
        """The files for TLS, certificate and key; None when requests carry a token."""
        return None if self.certificate is None else self.certificate.chain

    @property
    def topics(self) -> frozenset[str]:
        """The topics a certificate names; a token works for all of its team and names none."""
        return frozenset() if self.certificate is None else self.certificate.topics

    @property
    def expires_at(self) -> datetime | None:
        """When a certificate ends, for an alarm well before; None for a key, which doesn't."""
        return None if self.certificate is None else self.certificate.expires_at

    @property
    def generation(self) -> int:
        """How many tokens were made so far; 0 for a certificate."""
        return 0 if self.token is None else self.token.generation

    def authorization(self, now: float) -> bytes | None:
        """Return the value of the ``authorization`` header, one object until it changes; None with a certificate."""
        return None if self.token is None else self.token.current(now)

    def renew(self, now: float) -> bool:
        """Be told that the token has expired; see :meth:`ProviderTokenSource.on_expired`."""
        return self.token is not None and self.token.on_expired(now)

    def keep(self, now: float) -> None:
        """Be told that tokens changed too often; see :meth:`ProviderTokenSource.on_too_many_updates`."""
        if self.token is not None:
            self.token.on_too_many_updates(now)
