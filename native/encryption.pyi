from collections.abc import Iterable, Sequence

from native.key_pool import KeyPool
from native.records import EncryptedBatch

def encrypt_batch(
    plaintexts: Sequence[bytes],
    ua_publics: Sequence[bytes],
    auth_secrets: Sequence[bytes],
    *,
    padded_lengths: Iterable[int] = (),
    record_size: int = 4096,
    pool: KeyPool | None = None,
    route: str | None = None,
) -> EncryptedBatch:
    """Encrypt a batch, a row each: its plaintext, the receiver's key (p256dh, 65 bytes) and authentication secret (16).

    A row that can't be encrypted is refused by itself. ``padded_lengths``: a plaintext is padded to the least of these
    that holds it, and not at all when none does; more than fits a body is refused, never cut. ``pool``: keys made
    ahead, used as far as they go. ``route``: one of ``ENCRYPTION_ROUTES``, by default the first.

    Works without the GIL for about 60 µs a row, and can't be interrupted: choose batches accordingly. Several threads
    may call it at once. Raises ValueError for columns of different length, a record size below 18 or an unknown route,
    TypeError for what isn't bytes, MemoryError or RuntimeError when libcrypto fails.
    """

def encrypt_reproducibly(
    plaintext: bytes,
    ua_public: bytes,
    auth_secret: bytes,
    *,
    as_private: bytes,
    salt: bytes,
    padded_lengths: Iterable[int] = (),
    record_size: int = 4096,
    route: str | None = None,
) -> EncryptedBatch:
    """Encrypt one message with a given key (32 bytes) and salt (16 bytes): for test vectors only, never for a push.

    Whoever uses a key and a salt twice gives both plaintexts away. Raises ValueError for a key that is 0 or not below
    the curve's order; otherwise as ``encrypt_batch``, whose refusals are returned likewise.
    """
