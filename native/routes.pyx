"""Which way through libcrypto: each is tried at import with the vector of RFC 8291, the fastest that gives it is taken.

"points" multiplies points and copies hash states, by functions that OpenSSL deprecates; "evp" needs none of those.
"""

from libc.string cimport memcmp, memcpy, memset

from native.c.openssl cimport ERR_clear_error, OPENSSL_cleanse
from native.ecdh cimport SCALAR_BYTES, Agreement, KeyAgreement, ran_out_of_memory
from native.ecdh_evp cimport EvpAgreement
from native.ecdh_points cimport PointAgreement
from native.hmac cimport EvpHmac, StateHmac
from native.sealing cimport HEADER_BYTES, SALT_BYTES, TAG_BYTES, Message, Sealer

# RFC 8291 section 5 and appendix A.
cdef bytes VECTOR_PLAINTEXT = b"When I grow up, I want to be a watermelon"
cdef bytes VECTOR_SCALAR = bytes.fromhex("c9f58f89813e9f8e872e71f42aa64e1757c9254dcc62b72ddc010bb4043ea11c")
cdef bytes VECTOR_PEER = bytes.fromhex(
    "042571b2becdfde360551aaf1ed0f4cd366c11cebe555f89bcb7b186a533391731"
    "68ece2ebe018597bd30479b86e3c8f8eced577ca59187e9246990db682008b0e")
cdef bytes VECTOR_AUTH_SECRET = bytes.fromhex("05305932a1c7eabe13b6cec9fda48882")
cdef bytes VECTOR_BODY = bytes.fromhex(
    "0c6bfaadad67958803092d454676f397000010004104fe33f4ab0dea71914db55823f73b54948f41306d920732dbb9a59a5328648220"
    "0e597a7b7bc260ba1c227998580992e93973002f3012a28ae8f06bbb78e5ec0ff297de5b429bba7153d3a4ae0caa091fd425f3b4b541"
    "4add8ab37a19c1bbb05cf5cb5b2a2e0562d558635641ec52812c6c8ff42e95ccb86be7cd")
cdef enum:
    VECTOR_PLAINTEXT_BYTES = 41
    VECTOR_BODY_BYTES = HEADER_BYTES + VECTOR_PLAINTEXT_BYTES + 1 + TAG_BYTES


# Workspaces that nobody uses now; they hold no secret. Only the GIL's holder takes or puts.
cdef dict _idle = {"points": [], "evp": []}
cdef enum:
    MOST_IDLE = 8  # of a route, about 40 kB each: as many threads as a machine is likely to encrypt with


cdef bint _gives_vector(str route) except -1:
    """Encrypt the vector by ``route`` and compare."""
    cdef KeyAgreement key_agreement = borrow_agreement(route)
    cdef Sealer sealer = new_sealer(route)
    cdef unsigned char body[VECTOR_BODY_BYTES]
    cdef Agreement agreement
    cdef Message message
    memset(&agreement, 0, sizeof(agreement))
    agreement.peer = VECTOR_PEER
    agreement.has_pair = True
    memcpy(agreement.pair.scalar, <const unsigned char *>VECTOR_SCALAR, SCALAR_BYTES)
    memcpy(body, <const unsigned char *>VECTOR_BODY, SALT_BYTES)
    message.plaintext = VECTOR_PLAINTEXT
    message.plaintext_length = message.padded_length = VECTOR_PLAINTEXT_BYTES
    message.auth_secret = VECTOR_AUTH_SECRET
    message.body = body
    is_given = (
        key_agreement.complete_pair(&agreement.pair) and key_agreement.agree(&agreement, 1)
        and not agreement.is_refused
        and sealer.seal(&message, &agreement, 4096)
        and memcmp(body, <const unsigned char *>VECTOR_BODY, VECTOR_BODY_BYTES) == 0)
    OPENSSL_cleanse(&agreement, sizeof(agreement))
    ERR_clear_error()
    return is_given


cdef KeyAgreement borrow_agreement(str route):
    """Return a workspace of a route that ``choose_route`` returned: an idle one, else a new one."""
    cdef list idle = _idle[route]
    if idle:
        return idle.pop()
    return PointAgreement() if route == "points" else EvpAgreement()


cdef int give_back(str route, KeyAgreement agreement) except -1:
    """Keep a workspace for the next call. One that failed is dropped instead."""
    cdef list idle = _idle[route]
    if len(idle) < MOST_IDLE:
        idle.append(agreement)
    return 0


cdef Sealer new_sealer(str route):
    return Sealer(StateHmac() if route == "points" else EvpHmac())


ENCRYPTION_ROUTES = tuple([route for route in ("points", "evp") if _gives_vector(route)])
if not ENCRYPTION_ROUTES:
    raise ImportError("libcrypto does not give the body of RFC 8291's example by any route")


cdef str choose_route(object name):
    """Return the route of that name, or the fastest for None. Raises ValueError for one that is not to be had."""
    if name is None:
        return ENCRYPTION_ROUTES[0]
    if name not in ENCRYPTION_ROUTES:
        raise ValueError(f"no encryption route {name!r} here, but {', '.join(ENCRYPTION_ROUTES)}")
    return name


cdef int raise_failure() except -1:
    """Raise what fits libcrypto's last failure in this thread."""
    cdef bint is_out_of_memory = ran_out_of_memory()
    ERR_clear_error()
    if is_out_of_memory:
        raise MemoryError
    raise RuntimeError("libcrypto could not encrypt: no randomness, or an algorithm is switched off")
