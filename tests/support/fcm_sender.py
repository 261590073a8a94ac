"""A sender to FCM that does everything right unless a test asks for the opposite, with and without sockets."""

import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import jwt
import orjson

from bench.simulators.fcm import FcmSimulator, FcmSimulatorOptions, ServiceAccount
from bench.simulators.fcm.provider import TOKEN_PATH, FcmProvider
from bench.simulators.server import Judgement, Request, Sender
from tests.support.clocks import HandClock
from tests.support.patience import HANG_SECONDS
from tests.support.service_accounts import CLIENT_EMAIL, KEY_ID, account_key, account_pem

NOW = 1_780_000_000
SEND_PATH = "/v1/projects/shop-1/messages:send"
MESSAGE = {"token": "c8:x", "data": {"order": "42"}}
ACCOUNT = ServiceAccount(
    project_id="shop-1",
    client_email=CLIENT_EMAIL,
    private_key_id=KEY_ID,
    public_key=account_key().public_key(),
    file=Path("service-account.json"),
)


def make_claims(now: float = NOW, **changes: Any) -> dict[str, Any]:
    """Return good claims with the given changes; None leaves one out."""
    claims = {
        "iss": CLIENT_EMAIL,
        "scope": "https://www.googleapis.com/auth/firebase.messaging",
        "aud": "https://oauth2.googleapis.com/token",
        "iat": int(now),
        "exp": int(now) + 3600,
        **changes,
    }
    return {name: value for name, value in claims.items() if value is not None}


def sign(claims: dict[str, Any], *, key: str | None = None, key_id: str | None = KEY_ID) -> str:
    """Return an assertion."""
    headers = {"kid": key_id} if key_id is not None else {}
    return jwt.encode(claims, key or account_pem(), algorithm="RS256", headers=headers)


def make_form(assertion: str, **changes: str) -> dict[str, str]:
    """Return the form that exchanges an assertion, with the given changes."""
    return {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": assertion} | changes


class FcmRules:
    """FCM without its sockets: requests are judged where the test stands, at a time that it sets."""

    def __init__(self, **options: Any) -> None:
        self.clock = HandClock(NOW)
        self.options = FcmSimulatorOptions(clock=self.clock, **options)
        self.provider = FcmProvider(self.options, ACCOUNT, lambda: self.options.scenario)
        self.authorization = b"Bearer " + self.provider.tokens.issue(NOW).encode()

    def judge(
        self,
        message: object = MESSAGE,
        *,
        body: bytes | None = None,
        path: str = SEND_PATH,
        method: str = "POST",
        validate_only: bool | None = None,
        **headers: str | None,
    ) -> Judgement:
        """Judge a good request with the given changes (``content_type`` for its name; None leaves one out)."""
        request: dict[str, object] = {"message": message}
        if validate_only is not None:
            request["validate_only"] = validate_only
        named: dict[str, str | None] = {
            "authorization": self.authorization.decode(),
            "content-type": "application/json; charset=utf-8",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        return self._judge(method, path, named, orjson.dumps(request) if body is None else body)

    def exchange(self, form: bytes, *, path: str = TOKEN_PATH.decode(), **headers: str) -> Judgement:
        """Judge an exchange."""
        return self._judge("POST", path, {"content-type": "application/x-www-form-urlencoded"} | headers, form)

    def _judge(self, method: str, path: str, headers: Mapping[str, str | None], body: bytes) -> Judgement:
        fields = [(":method", method), (":path", path), *headers.items()]
        request = Request([(name.encode(), value.encode()) for name, value in fields if value is not None])
        request.add_data(body)
        return self.provider.judge(request, Sender())


def details_of(body: bytes) -> dict[str, dict[str, Any]]:
    """Return the details of an error by the last word of their type, in their order."""
    details = orjson.loads(body)["error"].get("details", [])
    return {detail["@type"].rpartition(".")[2]: detail for detail in details}


class FcmClient:
    """A client of a running simulator, over TLS."""

    def __init__(self, simulator: FcmSimulator, http: httpx.AsyncClient) -> None:
        self.http = http
        self.authorization = ""
        self._simulator = simulator
        self._account = orjson.loads(simulator.account.file.read_bytes())

    def sign(self) -> str:
        """Return a good assertion of the simulator's own service account."""
        claims = make_claims(self._simulator.options.clock.wall(), iss=self._account["client_email"])
        return sign(claims, key=self._account["private_key"], key_id=self._account["private_key_id"])

    async def exchange(self) -> httpx.Response:
        """Exchange an assertion; a token is used from then on."""
        response = await self.http.post(self._simulator.token_uri, data=make_form(self.sign()))
        if response.status_code == 200:
            self.authorization = f"Bearer {response.json()['access_token']}"
        return response

    async def send(self, message: object = MESSAGE) -> httpx.Response:
        """Send one message."""
        url = f"https://{self._simulator.address}{SEND_PATH}"
        return await self.http.post(url, json={"message": message}, headers={"authorization": self.authorization})


@asynccontextmanager
async def open_fcm_client(simulator: FcmSimulator, *, http2: bool = True) -> AsyncIterator[FcmClient]:
    """Connect for the block, with an access token; over HTTP/1.1 without ``http2``."""
    context = ssl.create_default_context(cafile=str(simulator.ca_file))
    async with httpx.AsyncClient(http2=http2, verify=context, trust_env=False, timeout=HANG_SECONDS) as http:
        client = FcmClient(simulator, http)
        await client.exchange()
        yield client
