"""Which topics an APNs certificate covers: two extensions of Apple's own list them (reference page APNs, section 3).

Each is a DER SEQUENCE in which a UTF8String names a topic and a SEQUENCE after it says what kind it is. Only as much of
DER is read as that takes (X.690, sections 8.1 and 10.1); what doesn't look like it is taken to name nothing.
"""

from collections.abc import Iterator

from cryptography import x509

TOPIC_EXTENSIONS = frozenset({"1.2.840.113635.100.6.3.6", "1.2.840.113635.100.6.3.4"})
UTF8_STRING = 0x0C
SEQUENCE = 0x30


def find_topics(certificate: x509.Certificate) -> frozenset[str]:
    """Return the topics a certificate names, none when it has no such extension."""
    topics: set[str] = set()
    for extension in certificate.extensions:
        value = extension.value
        if extension.oid.dotted_string in TOPIC_EXTENSIONS and isinstance(value, x509.UnrecognizedExtension):
            topics.update(_read_topics(value.value))
    return frozenset(topics)


def _read_topics(encoded: bytes) -> Iterator[str]:
    for outer_tag, content in _read_elements(encoded):
        if outer_tag == SEQUENCE:
            for tag, text in _read_elements(content):
                if tag == UTF8_STRING:
                    yield text.decode("utf-8", "replace")


def _read_elements(encoded: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield (tag, content) of the elements that follow each other in ``encoded``, up to the first that is cut off."""
    at = 0
    while at + 2 <= len(encoded):
        tag, length = encoded[at], encoded[at + 1]
        at += 2
        if length >= 0x80:
            octets = length & 0x7F
            length = int.from_bytes(encoded[at : at + octets], "big")
            at += octets
        if at + length > len(encoded):
            return
        yield tag, encoded[at : at + length]
        at += length
