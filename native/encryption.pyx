"""Web Push messages encrypted in batches without the GIL (RFC 8291; the aes128gcm body of RFC 8188, one record).

Every message has a fresh key pair and a fresh salt, from libcrypto's generators: here alone ``native`` throws dice.
Octets are read where the caller's objects have them and bodies are written where the caller gets
them: their bytes objects are made first, filled without the GIL, and handed out when all are whole.

Secrets (scalars, shared secrets, derived keys) live in the batch's own arrays and in the workspaces, and are wiped
before ``encrypt_batch`` returns or raises.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.string cimport memcpy, memset

cimport cython

from native.c.openssl cimport OPENSSL_cleanse, RAND_bytes
from native.ecdh cimport CHUNK_ROWS, POINT_BYTES, SCALAR_BYTES, Agreement, KeyAgreement
from native.key_pool cimport KeyPool
from native.memory cimport allocate, release
from native.routes cimport borrow_agreement, choose_route, give_back, new_sealer, raise_failure
from native.sealing cimport AUTH_BYTES, HEADER_BYTES, SALT_BYTES, TAG_BYTES, Message, Sealer

from native.records import EncryptedBatch
from protocol import encryption as _limits
from protocol.encryption import EncryptionRefusal

cdef object KEY_LENGTH = EncryptionRefusal.KEY_LENGTH
cdef object KEY_FORM = EncryptionRefusal.KEY_FORM
cdef object KEY_NOT_ON_CURVE = EncryptionRefusal.KEY_NOT_ON_CURVE
cdef object AUTH_LENGTH = EncryptionRefusal.AUTH_LENGTH
cdef object TOO_LONG = EncryptionRefusal.TOO_LONG
cdef Py_ssize_t MOST_TOGETHER = _limits.MOST_PLAINTEXT_BYTES  # plaintext and padding
cdef int LEAST_RECORD_SIZE = _limits.LEAST_RECORD_SIZE
cdef int ORDER_BYTES = SCALAR_BYTES
cdef object ORDER = int("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551", 16)


@cython.final
cdef class _Batch:
    """The rows of one call: those that were refused at sight are not in the arrays."""

    cdef tuple _plaintexts, _ua_publics, _auth_secrets, _padded_lengths
    cdef Py_ssize_t _most_together
    cdef unsigned int _record_size
    cdef Agreement *_agreements  # owned, like the next two; ``_count`` are in use
    cdef Message *_messages
    cdef Py_ssize_t *_rows  # which row each is
    cdef Py_ssize_t _count
    cdef bint _has_salts
    cdef list bodies
    cdef dict refusals

    def __cinit__(self, plaintexts, ua_publics, auth_secrets, padded_lengths, record_size):
        cdef Py_ssize_t row, length
        self._plaintexts = tuple(plaintexts)
        self._ua_publics = tuple(ua_publics)
        self._auth_secrets = tuple(auth_secrets)
        self._padded_lengths = tuple(sorted(padded_lengths))
        length = len(self._plaintexts)
        if not length == len(self._ua_publics) == len(self._auth_secrets):
            raise ValueError(
                f"{length} plaintexts, {len(self._ua_publics)} keys and {len(self._auth_secrets)} authentication "
                "secrets: a row has one of each")
        if not LEAST_RECORD_SIZE <= record_size < 2**32:
            raise ValueError(f"a record size of {record_size}: not from {LEAST_RECORD_SIZE} to 2**32 - 1")
        self._record_size = record_size
        # RFC 8291 section 4: more than plaintext, padding, delimiter and tag together.
        self._most_together = min(MOST_TOGETHER, record_size - LEAST_RECORD_SIZE)
        self.bodies = []
        self.refusals = {}
        self._agreements = <Agreement *>allocate(length * sizeof(Agreement))
        self._messages = <Message *>allocate(length * sizeof(Message))
        self._rows = <Py_ssize_t *>allocate(length * sizeof(Py_ssize_t))
        if NULL in (self._agreements, self._messages, self._rows):
            raise MemoryError
        for row in range(length):
            self._take_row(row, <bytes?>self._plaintexts[row], <bytes?>self._ua_publics[row],
                           <bytes?>self._auth_secrets[row])

    def __dealloc__(self):
        if self._agreements != NULL:
            OPENSSL_cleanse(self._agreements, self._count * sizeof(Agreement))
        release(self._agreements)
        release(self._messages)
        release(self._rows)

    cdef int _take_row(self, Py_ssize_t row, bytes plaintext, bytes ua_public, bytes auth_secret) except -1:
        """Give the row a place in the arrays and a body to be filled, or refuse it."""
        cdef Py_ssize_t padded_length = self._pad(PyBytes_GET_SIZE(plaintext))
        cdef Agreement *agreement = &self._agreements[self._count]
        cdef Message *message = &self._messages[self._count]
        cdef bytes body = b""
        refusal = self._judge(padded_length, ua_public, auth_secret)
        if refusal is not None:
            self.refusals[row] = refusal
            self.bodies.append(body)
            return 0
        body = PyBytes_FromStringAndSize(NULL, HEADER_BYTES + padded_length + 1 + TAG_BYTES)
        self.bodies.append(body)
        memset(agreement, 0, sizeof(Agreement))
        agreement.peer = <const unsigned char *>PyBytes_AS_STRING(ua_public)
        message.plaintext = <const unsigned char *>PyBytes_AS_STRING(plaintext)
        message.plaintext_length = <int>PyBytes_GET_SIZE(plaintext)
        message.padded_length = <int>padded_length
        message.auth_secret = <const unsigned char *>PyBytes_AS_STRING(auth_secret)
        message.body = <unsigned char *>PyBytes_AS_STRING(body)
        self._rows[self._count] = row
        self._count += 1
        return 0

    cdef Py_ssize_t _pad(self, Py_ssize_t length) except -1:
        """Return the least of the wanted lengths that holds ``length``, which a greater one keeps."""
        for padded_length in self._padded_lengths:
            if padded_length >= length:
                return padded_length
        return length

    cdef object _judge(self, Py_ssize_t padded_length, bytes ua_public, bytes auth_secret):
        """Return why a row is refused at sight, or None."""
        if PyBytes_GET_SIZE(ua_public) != POINT_BYTES:
            return KEY_LENGTH
        if PyBytes_AS_STRING(ua_public)[0] != 4:
            return KEY_FORM
        if PyBytes_GET_SIZE(auth_secret) != AUTH_BYTES:
            return AUTH_LENGTH
        if padded_length > self._most_together:
            return TOO_LONG
        return None

    cdef int take_keys(self, KeyPool pool) except -1:
        """Use keys made ahead, as far as there are any."""
        cdef Py_ssize_t position
        pool.leave_to_parent()
        for position in range(self._count):
            if not pool.take(&self._agreements[position].pair):
                break
            self._agreements[position].has_pair = True
        return 0

    cdef int take_key_and_salt(self, str route, bytes scalar, bytes salt) except -1:
        """Use the caller's key and salt for the only row."""
        cdef KeyAgreement agreement = borrow_agreement(route)
        if self._count == 0:
            return 0
        memcpy(self._agreements.pair.scalar, PyBytes_AS_STRING(scalar), SCALAR_BYTES)
        if not agreement.complete_pair(&self._agreements.pair):
            raise_failure()
        self._agreements.has_pair = True
        give_back(route, agreement)
        memcpy(self._messages.body, PyBytes_AS_STRING(salt), SALT_BYTES)
        self._has_salts = True
        return 0

    cdef object encrypt(self, str route):
        """Fill the bodies and return them with the refusals."""
        cdef KeyAgreement agreement = borrow_agreement(route)
        cdef Sealer sealer = new_sealer(route)
        cdef Py_ssize_t position
        cdef bint is_done
        with nogil:
            is_done = self._encrypt(agreement, sealer)
        if not is_done:
            raise_failure()
        give_back(route, agreement)
        for position in range(self._count):
            if self._agreements[position].is_refused:
                self.refusals[self._rows[position]] = KEY_NOT_ON_CURVE
                self.bodies[self._rows[position]] = b""
        return EncryptedBatch(self.bodies, self.refusals)

    cdef bint _encrypt(self, KeyAgreement agreement, Sealer sealer) noexcept nogil:
        cdef Py_ssize_t done = 0
        cdef Py_ssize_t position
        cdef int part
        while done < self._count:
            part = <int>min(self._count - done, CHUNK_ROWS)
            if not agreement.agree(self._agreements + done, part):
                return False
            if not self._has_salts and not self._draw_salts(done, part):
                return False
            for position in range(done, done + part):
                if self._agreements[position].is_refused:
                    continue
                if not sealer.seal(&self._messages[position], &self._agreements[position], self._record_size):
                    return False
            done += part
        return True

    cdef bint _draw_salts(self, Py_ssize_t done, int part) noexcept nogil:
        """Draw the salts of a chunk at once: a draw costs 1 µs by itself."""
        cdef unsigned char salts[CHUNK_ROWS * SALT_BYTES]
        cdef int position
        if RAND_bytes(salts, part * SALT_BYTES) != 1:
            return False
        for position in range(part):
            memcpy(self._messages[done + position].body, salts + position * SALT_BYTES, SALT_BYTES)
        return True


def encrypt_batch(
    plaintexts, ua_publics, auth_secrets, *, padded_lengths=(), record_size=4096, KeyPool pool=None, route=None,
):
    """Encrypt a batch, a row each: its plaintext, the receiver's key (p256dh, 65 bytes) and authentication secret (16).

    A row that can't be encrypted is refused by itself. ``padded_lengths``: a plaintext is padded to the least of these
    that holds it, and not at all when none does; more than fits a body is refused, never cut. ``pool``: keys made
    ahead, used as far as they go. ``route``: one of ``ENCRYPTION_ROUTES``, by default the first.

    Works without the GIL for about 60 µs a row, and can't be interrupted: choose batches accordingly. Several threads
    may call it at once. Raises ValueError for columns of different length, a record size below 18 or an unknown route,
    TypeError for what isn't bytes, MemoryError or RuntimeError when libcrypto fails.
    """
    cdef _Batch batch = _Batch(plaintexts, ua_publics, auth_secrets, padded_lengths, record_size)
    route = choose_route(route)
    if pool is not None:
        batch.take_keys(pool)
    return batch.encrypt(route)


def encrypt_reproducibly(
    bytes plaintext not None, bytes ua_public not None, bytes auth_secret not None, *, bytes as_private not None,
    bytes salt not None, padded_lengths=(), record_size=4096, route=None,
):
    """Encrypt one message with a given key (32 bytes) and salt (16 bytes): for test vectors only, never for a push.

    Whoever uses a key and a salt twice gives both plaintexts away. Raises ValueError for a key that is 0 or not below
    the curve's order; otherwise as ``encrypt_batch``, whose refusals are returned likewise.
    """
    cdef _Batch batch
    if len(as_private) != ORDER_BYTES or not 0 < int.from_bytes(as_private, "big") < ORDER:
        raise ValueError("as_private is no private key on P-256")
    if len(salt) != SALT_BYTES:
        raise ValueError(f"a salt of {len(salt)} bytes, not {SALT_BYTES}")
    batch = _Batch((plaintext,), (ua_public,), (auth_secret,), padded_lengths, record_size)
    route = choose_route(route)
    batch.take_key_and_salt(route, as_private, salt)
    return batch.encrypt(route)
