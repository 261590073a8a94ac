"""What can be wrong with a request to a push service: one name a rule, whatever words a service has for it."""

from enum import Enum


class Fault(Enum):
    """A broken rule; the value says it in plain words, as a service without habits of its own would."""

    # RFC 8030, section 5
    METHOD = "only POST is allowed"
    UNKNOWN_PATH = "there is no such subscription"
    REPEATED_HEADER = "a header field that may come once came several times"
    TTL_MISSING = "the TTL header is missing"
    TTL_FORM = "TTL is a number of seconds in digits"
    TTL_NEGATIVE = "TTL is negative"
    TTL_CACHE_CONFLICT = "TTL and X-WNS-Cache-Policy contradict each other"
    URGENCY = "Urgency is very-low, low, normal or high, and only one of them"
    TOPIC = "Topic has 1 to 32 characters of the base64url alphabet"

    # RFC 8291, section 4
    CONTENT_ENCODING = "a body has the content encoding aes128gcm, and no body has none"
    OLD_ENCRYPTION_HEADER = "Encryption and Crypto-Key belong to an older content encoding"
    BODY_TOO_LARGE = "the body has more than 4096 bytes"

    # RFC 8292
    AUTHORIZATION_MISSING = "the authorization header is missing"
    AUTHORIZATION_FORM = "authorization has the form: vapid t=<token>, k=<key>"
    VAPID_KEY_FORM = "k is no uncompressed point on P-256 in base64url without padding"
    JWT_FORM = "t is no JSON Web Token with typ JWT and alg ES256"
    JWT_SIGNATURE = "the token is not signed with the key k"
    JWT_AUDIENCE = "aud is not the origin of this push service"
    JWT_EXPIRY_FORM = "exp is no integer"
    JWT_EXPIRED = "the token has expired"
    JWT_LIFETIME = "exp lies more than 24 hours ahead"
    JWT_SUBJECT = "sub is no mailto: or https: URL that somebody could be reached at"
    KEY_MISMATCH = "the subscription was made with another application server key"
    KEY_REUSED = "the key that signs is also the key that encrypts"
