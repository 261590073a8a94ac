"""Nothing that was derived on the way stays in memory: another process looks for it, octet by octet."""

import hashlib
import hmac
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.support.webpush import Receiver, make_receiver

ROUTES = pytest.mark.parametrize("route", ["points", "evp"])
FIELD = 2**256 - 2**224 + 2**192 + 2**96 - 1
PLAINTEXT = b"\xd7 a text that is known again when it is met"
SALT_BYTES = 16

ENCRYPTING = """
import sys
from native import encrypt_reproducibly
route, *values = sys.stdin.readline().split()
plaintext, ua_public, auth_secret, as_private, salt = map(bytes.fromhex, values)
batch = encrypt_reproducibly(plaintext, ua_public, auth_secret, as_private=as_private, salt=salt, route=route)
print(batch.bodies[0].hex(), flush=True)
sys.stdin.readline()
"""


def derived(receiver: Receiver, as_private: bytes, salt: bytes) -> dict[str, bytes]:
    """Compute by other means what RFC 8291 section 3.4 derives, a coordinate in each form that libcrypto gives it."""
    key = ec.derive_private_key(int.from_bytes(as_private, "big"), ec.SECP256R1())
    as_public = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    secret = key.exchange(ec.ECDH(), receiver.private_key.public_key())
    prk_key = hmac.digest(receiver.auth_secret, secret, hashlib.sha256)
    ikm = hmac.digest(prk_key, b"WebPush: info\0" + receiver.public + as_public + b"\x01", hashlib.sha256)
    prk = hmac.digest(salt, ikm, hashlib.sha256)
    x = int.from_bytes(secret, "big")
    return {
        "shared secret": secret,
        "shared secret as a number": x.to_bytes(32, "little"),
        "shared secret in Montgomery form": (x * 2**256 % FIELD).to_bytes(32, "little"),
        "PRK_key": prk_key,
        "IKM": ikm,
        "PRK": prk,
        "content key": hmac.digest(prk, b"Content-Encoding: aes128gcm\0\x01", hashlib.sha256)[:16],
        "nonce": hmac.digest(prk, b"Content-Encoding: nonce\0\x01", hashlib.sha256)[:12],
    }


def writable_memory(pid: int) -> Iterator[bytes]:
    """Read everything that a process could have written to, but for AddressSanitizer's notes on it, which are huge."""
    maps = Path(f"/proc/{pid}/maps").read_text()
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for start, end in re.findall(r"^([0-9a-f]+)-([0-9a-f]+) rw", maps, re.MULTILINE):
            size = int(end, 16) - int(start, 16)
            if size < 2**30:
                memory.seek(int(start, 16))
                yield memory.read(size)


@ROUTES
def test_no_derived_secret_outlives_the_call(route: str) -> None:
    receiver, as_private, salt = make_receiver(), b"\x01" + os.urandom(31), os.urandom(SALT_BYTES)
    values = (PLAINTEXT, receiver.public, receiver.auth_secret, as_private, salt)
    command = [sys.executable, "-c", ENCRYPTING]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(" ".join([route, *(value.hex() for value in values)]) + "\n")
        process.stdin.flush()
        body = bytes.fromhex(process.stdout.readline())
        assert receiver.decrypt(body) == PLAINTEXT
        secrets = {"plaintext, which must be met": PLAINTEXT} | derived(receiver, as_private, salt)
        found = {name for part in writable_memory(process.pid) for name, secret in secrets.items() if secret in part}
        process.stdin.close()
    assert found == {"plaintext, which must be met"}
