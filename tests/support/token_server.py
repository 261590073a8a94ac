"""An HTTPS server on this machine that stands where service accounts get their access tokens."""

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs

import h11
import orjson
import trio
import trustme

Answer = tuple[int, dict[str, str], bytes]
MOST_BYTES = 65_536
SILENCE: Answer = (0, {}, b"")  # the connection is cut instead


def token_answer(token: str = "ya29.token", lifetime_seconds: int = 3599) -> Answer:  # noqa: S107 - no real token
    """Return the answer that carries a token."""
    body = {"access_token": token, "expires_in": lifetime_seconds, "token_type": "Bearer"}
    return 200, {"content-type": "application/json"}, orjson.dumps(body)


async def answer_with_token(form: dict[str, str]) -> Answer:
    """Answer every request with the same token."""
    return token_answer()


class TokenServer:
    """``forms`` are the requests' fields in the order of their coming; ``answer`` may be replaced at any time."""

    def __init__(self, port: int, ca_file: Path) -> None:
        self.token_uri = f"https://localhost:{port}/token"
        self.ca_file = ca_file
        self.forms: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.answer: Callable[[dict[str, str]], Awaitable[Answer]] = answer_with_token

    async def serve(self, stream: trio.SSLStream[trio.SocketStream]) -> None:
        """Answer the one request of a connection."""
        connection = h11.Connection(h11.SERVER)
        try:
            form = await self._read_form(stream, connection)
            answer = await self.answer(form)
            if answer == SILENCE:
                return
            status, headers, body = answer
            response = h11.Response(status_code=status, headers=[*headers.items(), ("content-length", str(len(body)))])
            for event in (response, h11.Data(data=body), h11.EndOfMessage()):
                await stream.send_all(connection.send(event) or b"")
            await stream.aclose()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # who asked has gone: a refused certificate, a timeout
        finally:
            await trio.aclose_forcefully(stream)

    async def _read_form(self, stream: trio.SSLStream[trio.SocketStream], connection: h11.Connection) -> dict[str, str]:
        body = b""
        while not isinstance(event := connection.next_event(), h11.EndOfMessage):
            if event is h11.NEED_DATA:
                connection.receive_data(bytes(await stream.receive_some(MOST_BYTES)))
            elif isinstance(event, h11.Request):
                self.paths.append(event.target.decode())
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.ConnectionClosed):
                raise trio.BrokenResourceError
        form = {name: value for name, (value,) in parse_qs(body.decode(), strict_parsing=True).items()}
        self.forms.append(form)
        return form


@asynccontextmanager
async def open_token_server(folder: Path) -> AsyncIterator[TokenServer]:
    """Serve for the block, with a certificate of an authority of its own."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    server = TokenServer(listeners[0].socket.getsockname()[1], folder / "ca.pem")
    async with trio.open_nursery() as nursery:
        tls = [trio.SSLListener(listener, context, https_compatible=True) for listener in listeners]
        nursery.start_soon(trio.serve_listeners, server.serve, tls)
        yield server
        nursery.cancel_scope.cancel()
