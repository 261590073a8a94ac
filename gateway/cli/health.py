"""`pushmill health`: whether the gateway answers callers."""

import os
import socket
import ssl
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from gateway.config import ListenSettings, TcpAddress, UnixAddress

DEFAULT_CONFIG = Path("/etc/pushmill/gateway.toml")
UNHEALTHY = 1
ANSWER_LIMIT_BYTES = 64 * 1024  # a welcome has some 300
RECEIVE_BYTES = 4096


def health(
    config: Annotated[
        Path, typer.Option("--config", "-c", help="The gateway's settings: listen.socket.", envvar="PUSHMILL_CONFIG")
    ] = DEFAULT_CONFIG,
    timeout: Annotated[float, typer.Option(min=0.1, max=60, help="Seconds for the whole check.")] = 3.0,
) -> None:
    """Ask the gateway on this machine whether it answers callers; made for the health check of a container.

    Connects to a Unix socket of the settings, or else to their first TCP address, and says hello as a caller does.
    Nothing is sent to a provider. A gateway that starts, drains, hangs or is gone is not healthy. One that refuses this
    connection because of limits.connections, or because whoever asks is no principal, does answer, and is healthy.

    Exit codes: 0 it answers, 1 it does not, or the settings can't be read.
    """
    from gateway.config import ConfigError, load_config
    from protocol.frames import FrameError

    try:
        listen = load_config(config, os.environ).listen
    except ConfigError as error:
        _end_unhealthy(str(error))
    address = _choose_address(listen)
    deadline = time.monotonic() + timeout
    try:
        with _connect(address, listen, deadline) as connection:
            _greet(connection, deadline)
    except TimeoutError:
        _end_unhealthy(f"{address}: no answer within {timeout:g} s")
    except (OSError, FrameError) as error:
        _end_unhealthy(f"{address}: {getattr(error, 'strerror', None) or error}")
    typer.echo(f"{address} answers")


def _end_unhealthy(why: str) -> NoReturn:
    typer.echo(f"pushmill health: {why}", err=True)
    sys.exit(UNHEALTHY)


def _choose_address(listen: "ListenSettings") -> "UnixAddress | TcpAddress":
    """Return a Unix socket, which needs no TLS, or else the first address."""
    from gateway.config import UnixAddress

    return next((each for each in listen.addresses if isinstance(each, UnixAddress)), listen.addresses[0])


def _connect(address: "UnixAddress | TcpAddress", listen: "ListenSettings", deadline: float) -> socket.socket:
    """Connect, over TLS where the settings have a certificate. Raises OSError."""
    from gateway.config import TcpAddress

    if isinstance(address, TcpAddress):
        plain = socket.create_connection((address.host, address.port), timeout=_time_left(deadline))
        return plain if listen.tls_certificate_file is None else _encrypt(plain, deadline)
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(_time_left(deadline))
        connection.connect(address.path)
    except BaseException:
        connection.close()
        raise
    return connection


def _encrypt(plain: socket.socket, deadline: float) -> socket.socket:
    # Nothing secret is said, and the certificate is made out to the name that callers on other machines use.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        plain.settimeout(_time_left(deadline))
        return context.wrap_socket(plain)
    except BaseException:
        plain.close()
        raise


def _greet(connection: socket.socket, deadline: float) -> None:
    """Say hello, and hear from a gateway. Raises OSError, FrameError when that is not what answers."""
    from protocol.frames import PROTOCOL_VERSION, Error, FrameReader, Hello, Welcome, decode_gateway_frame, encode_frame
    from protocol.reasons import Reason

    connection.sendall(encode_frame(Hello(version=PROTOCOL_VERSION)))
    frames = FrameReader(ANSWER_LIMIT_BYTES)
    while not (bodies := list(frames.feed(_receive(connection, deadline)))):
        pass
    answer = decode_gateway_frame(bodies[0])
    if isinstance(answer, Error) and answer.reason not in {
        Reason.OVERLOADED.word,
        Reason.UNAUTHENTICATED.word,
    }:
        raise ConnectionError(f"{answer.reason}: {answer.detail}")
    if not isinstance(answer, Error | Welcome):
        raise ConnectionError("it answers hello with something else than welcome")


def _receive(connection: socket.socket, deadline: float) -> bytes:
    connection.settimeout(_time_left(deadline))
    data = connection.recv(RECEIVE_BYTES)
    if not data:
        raise ConnectionError("it closed the connection without a word")
    return data


def _time_left(deadline: float) -> float:
    """Return the seconds until then. Raises TimeoutError when there are none."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
