"""The requests every client sends: pushes to APNs that differ in device token and apns-id alone.

A token is 32 random bytes, drawn from a seed so that clients, and rounds, send the same. What varies is made before the
connection opens, as h2load reads its URIs beforehand: the figure is for sending requests, not for inventing them.
"""

import argparse
import random
import ssl
from pathlib import Path
from typing import NamedTuple

BODY_BYTES = 200
_BODY_START = b'{"aps":{"alert":{"title":"Your order is on its way","body":"'
_BODY_END = b'"}}}'
BODY = _BODY_START.ljust(BODY_BYTES - len(_BODY_END), b"x") + _BODY_END
"""What every request carries."""

AUTHORIZATION = b"bearer " + bytes(
    random.Random(1).choices(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", k=220)
)
"""As long as an ES256 provider token."""

HEADERS = (
    (b"authorization", AUTHORIZATION),
    (b"apns-topic", b"com.example.shop"),
    (b"apns-push-type", b"alert"),
    (b"apns-priority", b"10"),
    (b"apns-expiration", b"1790000000"),
)
"""What all requests share, besides the pseudo-headers and content-length."""

IDENTIFIER_PREFIX = bytes.fromhex("5f0c9a3e7b1d8e4fa2c6d015")
"""The first 12 bytes of every apns-id; the request's number follows as 32-bit big-endian."""

HOST = "localhost"

_PATH_PREFIX = "/3/device/"


class Workload(NamedTuple):
    """What a client is told on its command line."""

    port: int
    ca_file: Path
    requests: int
    streams: int

    @property
    def authority(self) -> str:
        """Host and port of the sink."""
        return f"{HOST}:{self.port}"

    def command_options(self) -> list[str]:
        """Return the options that ``parse_options`` reads back."""
        return [f"--{name.replace('_', '-')}={value}" for name, value in self._asdict().items()]


def parse_options(description: str) -> Workload:
    """Read a client's command line."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--port", type=int, required=True, help="loopback port that a sink announced")
    parser.add_argument("--ca-file", type=Path, required=True, help="certificate authority of the sink, PEM")
    parser.add_argument("--requests", type=int, required=True, help="how many to send")
    parser.add_argument("--streams", type=int, required=True, help="how many at a time")
    return Workload(**vars(parser.parse_args()))


def paths(count: int) -> list[str]:
    """Return a path for each request, every token another."""
    generator = random.Random(2)
    return [f"{_PATH_PREFIX}{generator.randbytes(32).hex()}" for _ in range(count)]


def identifiers(count: int) -> list[str]:
    """Return an apns-id for each request: the UUID text of prefix and number."""
    prefix = IDENTIFIER_PREFIX.hex()
    texts = (f"{prefix}{number:08x}" for number in range(count))
    return [f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}" for text in texts]


def tls_context(ca_file: Path) -> ssl.SSLContext:
    """Return the client's side of TLS; the sink leaves it one cipher to choose."""
    context = ssl.create_default_context(cafile=str(ca_file))
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols(["h2"])
    return context
