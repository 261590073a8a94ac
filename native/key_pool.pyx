"""Ephemeral keys made ahead, in idle time, so that a burst pays for one multiplication a message and not for two.

Keys are made without the GIL and put in and taken out under it: any thread may fill or use a pool. One that a process
inherited by fork() is emptied there, or parent and child would use the same keys.
"""

from libc.string cimport memcpy

from posix.unistd cimport getpid

cimport cython

from native.c.openssl cimport OPENSSL_cleanse
from native.ecdh cimport KeyAgreement, KeyPair
from native.memory cimport LIVE_KEY_POOLS, allocate, count_live, release
from native.routes cimport borrow_agreement, choose_route, give_back, raise_failure

cdef Py_ssize_t MOST_KEYS = 1_000_000


@cython.final
cdef class KeyPool:
    """Up to ``capacity`` ready keys (97 bytes each); each is used once and wiped, all are wiped with the pool.

    Raises ValueError for a capacity below 1 or above a million, or a route that is not among ``ENCRYPTION_ROUTES``.
    """

    def __cinit__(self, Py_ssize_t capacity, *, route=None):
        count_live(LIVE_KEY_POOLS, 1)
        if not 0 < capacity <= MOST_KEYS:
            raise ValueError(f"a pool of {capacity} keys: not from 1 to {MOST_KEYS}")
        self._route = choose_route(route)
        self._process = getpid()
        self._pairs = <KeyPair *>allocate(capacity * sizeof(KeyPair))
        if self._pairs == NULL:
            raise MemoryError
        self.capacity = capacity

    def __dealloc__(self):
        count_live(LIVE_KEY_POOLS, -1)
        if self._pairs != NULL:
            OPENSSL_cleanse(self._pairs, self.capacity * sizeof(KeyPair))
        release(self._pairs)

    def __len__(self):
        return self._ready if self._process == getpid() else 0

    def __repr__(self):
        return f"<KeyPool with {len(self)} of {self.capacity} keys ready>"

    def fill(self, Py_ssize_t count):
        """Make up to ``count`` keys, as many as there is room for; return how many were added.

        Takes about 10 µs a key, without the GIL. Raises MemoryError or RuntimeError when libcrypto fails.
        """
        cdef KeyAgreement agreement
        cdef KeyPair *fresh
        cdef Py_ssize_t added = 0
        cdef bint is_made
        self.leave_to_parent()
        count = min(count, self.capacity - self._ready)
        if count <= 0:
            return 0
        agreement = borrow_agreement(self._route)
        fresh = <KeyPair *>allocate(count * sizeof(KeyPair))
        if fresh == NULL:
            raise MemoryError
        with nogil:
            is_made = agreement.make_pairs(fresh, <int>count)
        if is_made:
            added = min(count, self.capacity - self._ready)  # another thread may have filled it meanwhile
            memcpy(self._pairs + self._ready, fresh, added * sizeof(KeyPair))
            self._ready += added
        OPENSSL_cleanse(fresh, count * sizeof(KeyPair))
        release(fresh)
        if not is_made:
            raise_failure()
        give_back(self._route, agreement)
        return added

    cdef void leave_to_parent(self) noexcept:
        """After a fork forget the keys: they are the parent's."""
        if self._process != getpid():
            OPENSSL_cleanse(self._pairs, self.capacity * sizeof(KeyPair))
            self._ready = 0
            self._process = getpid()

    cdef bint take(self, KeyPair *pair) noexcept:
        """Move a key out; False when none is ready. ``leave_to_parent`` comes first."""
        if self._ready == 0:
            return False
        self._ready -= 1
        memcpy(pair, &self._pairs[self._ready], sizeof(KeyPair))
        OPENSSL_cleanse(&self._pairs[self._ready], sizeof(KeyPair))
        return True
