"""Which topics an APNs certificate covers (docs/apns.md#client-certificates).

Two extensions of Apple's own list them: each is a DER SEQUENCE in which a UTF8String names a topic and a SEQUENCE after
it says what kind it is. Only as much of DER is read as that takes (X.690, sections 8.1 and 10.1); what doesn't look
like it is taken to name nothing. A certificate without a list, as those for one service have been, is for the UID of
its subject; that of a VoIP service covers the topic for calls alone, with its suffix, whether the UID has it or not.
"""

from collections.abc import Iterator

from cryptography import x509

TOPIC_EXTENSIONS = frozenset({"1.2.840.113635.100.6.3.6", "1.2.840.113635.100.6.3.4"})
UTF8_STRING = 0x0C
SEQUENCE = 0x30
# Kinds of topics whose name is the bundle id with a suffix, by the words of the list and of common names.
_SUFFIX_OF_KIND = {"voip": ".voip", "complication": ".complication"}
_SERVICES = {"VoIP Services: ": ".voip", "WatchKit Services: ": ".complication"}


def find_topics(certificate: x509.Certificate) -> frozenset[str]:
    """Return the topics a certificate names, none when it has neither the extension nor a UID."""
    topics: set[str] = set()
    for extension in certificate.extensions:
        value = extension.value
        if extension.oid.dotted_string in TOPIC_EXTENSIONS and isinstance(value, x509.UnrecognizedExtension):
            topics.update(_read_topics(value.value))
    return frozenset(topics or _read_subject(certificate))


def _read_subject(certificate: x509.Certificate) -> Iterator[str]:
    uid = _find_attribute(certificate, x509.NameOID.USER_ID)
    name = _find_attribute(certificate, x509.NameOID.COMMON_NAME) or ""
    for service, suffix in _SERVICES.items():
        if name.startswith(service):
            yield _add_suffix(uid or name.removeprefix(service).strip(), suffix)
            return
    if uid:
        yield uid


def _find_attribute(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> str | None:
    found = certificate.subject.get_attributes_for_oid(oid)
    return str(found[0].value) if found else None


def _read_topics(encoded: bytes) -> Iterator[str]:
    for outer_tag, content in _read_elements(encoded):
        if outer_tag == SEQUENCE:
            yield from _read_list(content)


def _read_list(content: bytes) -> Iterator[str]:
    topic: str | None = None
    for tag, inner in _read_elements(content):
        if tag == UTF8_STRING:
            if topic is not None:
                yield topic
            topic = inner.decode("utf-8", "replace")
        elif tag == SEQUENCE and topic is not None:
            kinds = [text.decode("utf-8", "replace") for kind, text in _read_elements(inner) if kind == UTF8_STRING]
            yield _add_suffix(topic, _SUFFIX_OF_KIND.get(kinds[0], "") if kinds else "")
            topic = None
    if topic is not None:
        yield topic


def _add_suffix(topic: str, suffix: str) -> str:
    return topic if topic.endswith(suffix) else topic + suffix


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
