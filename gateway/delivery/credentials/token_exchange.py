"""One exchange of an assertion for an access token over HTTPS (docs/fcm.md#access-tokens).

What must not happen here: a redirect is never followed, for it would carry the assertion to wherever its author likes;
no proxy is taken from the environment, only the one of the settings; and neither assertion nor token is in reach of a
traceback: failures are returned as values, made after the frames that knew them are gone.
"""

import ssl
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpcore
import trio

from gateway.config import TcpAddress
from gateway.delivery.credentials.access_token_source import Unavailable
from gateway.delivery.credentials.service_account_key import ServiceAccountKey
from gateway.errors import SessionOpenError, find_root
from protocol.providers.fcm import FORM_HEADERS, AccessToken, exchange_form, read_exchange

if TYPE_CHECKING:
    from gateway.delivery.egress.proxy import Proxy

# Google's answers have 1 kB. The rest of a longer one is read and forgotten, for as long as an exchange may take.
LARGEST_ANSWER_BYTES = 64 * 1024
# A compressed answer could grow without bound while it is being read.
HEADERS = [*FORM_HEADERS, (b"accept", b"application/json"), (b"accept-encoding", b"identity")]

_WHAT_TO_DO = {
    "invalid_grant": "the key or its account was disabled or deleted, or this machine's clock is wrong",
    "invalid_client": "the account or its key is not known: download the service-account file again",
    "invalid_scope": "the account may not send messages: check its roles in the project",
    "unauthorized_client": "the account may not send messages: check its roles in the project",
}


class TokenExchange:
    """Asks one address for tokens. A connection lives as long as an exchange: there is one an hour."""

    def __init__(
        self,
        token_uri: str,
        tls: ssl.SSLContext,
        *,
        connect_timeout_seconds: float,
        timeout_seconds: float,
        proxy: "Proxy | None" = None,
    ) -> None:
        self._token_uri = token_uri
        self._tls = tls
        self._connect_timeout_seconds = connect_timeout_seconds
        self._timeout_seconds = timeout_seconds
        self._network = _find_network(token_uri, proxy)

    def __repr__(self) -> str:
        return f"<TokenExchange at {self._token_uri}>"

    async def fetch(self, account: ServiceAccountKey, now: float) -> AccessToken | Unavailable:
        """Return a token for an account, or why there is none; ``now`` is UNIX seconds. Never raises for a failure."""
        answer = await self._post(exchange_form(account.make_assertion(now)))
        if isinstance(answer, str):
            return Unavailable(detail=f"{self._token_uri}: {answer}", can_retry=True)
        status, body = answer
        outcome = read_exchange(status, body, now)
        if isinstance(outcome, AccessToken):
            return outcome
        return Unavailable(
            detail=f"{self._token_uri} answered {_describe(status, outcome.error)}", can_retry=outcome.can_retry
        )

    async def _post(self, form: bytes) -> tuple[int, bytes] | str:
        """Return status and body, or what went wrong with the connection."""
        with trio.move_on_after(self._timeout_seconds):
            try:
                return await self._send(form)
            except httpcore.TimeoutException:
                return f"no connection within {self._connect_timeout_seconds:g} s"
            except httpcore.RemoteProtocolError:
                return "the answer was cut off, or was not HTTP"  # its own words would repeat what the server sent
            except SessionOpenError as error:  # of the proxy
                return str(error)
            # The last for what is no host name.
            except (httpcore.NetworkError, httpcore.ProtocolError, UnicodeError) as error:
                return str(find_root(error)) or type(error).__name__
        return f"no answer within {self._timeout_seconds:g} s"

    async def _send(self, form: bytes) -> tuple[int, bytes]:
        pool = httpcore.AsyncConnectionPool(ssl_context=self._tls, http2=True, network_backend=self._network)
        timeouts = {"timeout": {"connect": self._connect_timeout_seconds}}
        fields = [(b"host", _make_authority(self._token_uri)), *HEADERS, (b"content-length", b"%d" % len(form))]
        async with (
            pool,
            pool.stream("POST", self._token_uri, content=form, headers=fields, extensions=timeouts) as response,
        ):
            body = bytearray()
            async for piece in response.aiter_stream():
                body += piece[: LARGEST_ANSWER_BYTES - len(body)]
            return response.status, bytes(body)


def _find_network(token_uri: str, proxy: "Proxy | None") -> httpcore.AsyncNetworkBackend | None:
    """Return what connections are made with; None for the library's own way, directly."""
    parts = urlsplit(token_uri)
    # http:// is allowed to this machine alone: through a proxy the assertion would leave it unencrypted.
    if (
        proxy is None
        or parts.scheme != "https"
        or not proxy.is_for(TcpAddress(parts.hostname or "", parts.port or 443))
    ):
        return None
    from gateway.delivery.egress.proxy.network import ProxiedNetwork  # noqa: PLC0415 - few have a proxy

    return ProxiedNetwork(proxy)


def _make_authority(token_uri: str) -> bytes:
    return urlsplit(token_uri).netloc.encode("ascii")


def _describe(status: int, error: str | None) -> str:
    if 300 <= status < 400:
        return f"{status}: a redirect, which is never followed; check fcm.token_uri"
    if status == 200:
        return "200, but with no bearer token"
    words = f"{status} {error}" if error else str(status)
    return f"{words}: {_WHAT_TO_DO[error]}" if error in _WHAT_TO_DO else words
