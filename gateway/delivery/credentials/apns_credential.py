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
        self._token = token
        self._certificate = certificate

    def __repr__(self) -> str:
        if self._certificate is not None:
            return f"<ApnsCredential certificate {self._certificate.certificate_file}>"
        return f"<ApnsCredential {self._token!r}>"

    @property
    def certificate_chain(self) -> tuple[Path, Path] | None:
        """The files for TLS, certificate and key; None when requests carry a token."""
        return None if self._certificate is None else self._certificate.chain

    @property
    def topics(self) -> frozenset[str]:
        """The topics a certificate names; a token works for all of its team and names none."""
        return frozenset() if self._certificate is None else self._certificate.topics

    @property
    def expires_at(self) -> datetime | None:
        """When a certificate ends, for an alarm well before; None for a key, which doesn't."""
        return None if self._certificate is None else self._certificate.expires_at

    @property
    def generation(self) -> int:
        """How many tokens were made so far; 0 for a certificate."""
        return 0 if self._token is None else self._token.generation

    def authorization(self, now: float) -> bytes | None:
        """Return the value of the ``authorization`` header, one object until it changes; None with a certificate."""
        return None if self._token is None else self._token.current(now)

    def renew(self, now: float) -> bool:
        """Be told that the token has expired; see :meth:`ProviderTokenSource.on_expired`."""
        return self._token is not None and self._token.on_expired(now)

    def keep(self, now: float) -> None:
        """Be told that tokens changed too often; see :meth:`ProviderTokenSource.on_too_many_updates`."""
        if self._token is not None:
            self._token.on_too_many_updates(now)
