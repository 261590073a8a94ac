"""What must be known of an app's APNs configuration to prepare and build its requests."""

from collections.abc import Set as AbstractSet

import msgspec

from protocol.lanes import ApnsEnvironment
from protocol.providers.apns.push_types import TOPIC_SUFFIXES, VOIP


class ApnsFacts(msgspec.Struct, frozen=True, kw_only=True):
    """``topic`` is the bundle id, ``environment`` the default one; ``token_auth`` is False with a certificate.

    ``certificate_topics`` are those that the certificate names.
    """

    topic: str | None
    environment: ApnsEnvironment | None
    token_auth: bool
    team_id: str | None = None
    certificate_topics: frozenset[str] = frozenset()

    @property
    def bundle_id(self) -> str | None:
        """What topics are made from: the configured topic, else the one app that the certificate is for."""
        if self.topic is not None:
            return self.topic
        plain = [topic for topic in self.certificate_topics if not topic.endswith(TOPIC_SUFFIXES)]
        found = plain or {_cut_suffix(topic) for topic in self.certificate_topics}
        return next(iter(found)) if len(found) == 1 else None

    @property
    def is_for_calls_alone(self) -> bool:
        """Whether this is the certificate of a VoIP service, which covers nothing else."""
        suffix = VOIP.topic_suffix or ""
        return bool(self.certificate_topics) and all(topic.endswith(suffix) for topic in self.certificate_topics)

    def covers(self, topic: str) -> bool:
        """Whether work for a topic can go out with the certificate; see :func:`covers_topic`."""
        return covers_topic(self.certificate_topics, topic)

    def name_account(self, *, names_topic: bool) -> str:
        """Return ``team/topic`` of rows that are accepted now, each as far as it is known.

        ``names_topic``: the caller chose a topic, and it goes with the rows.
        """
        topic = self.topic
        if topic is None and len(self.certificate_topics) == 1:
            (topic,) = self.certificate_topics
        return f"{self.team_id or ''}/{'' if names_topic or topic is None else topic}"


def covers_topic(certificate_topics: AbstractSet[str], topic: str) -> bool:
    """Whether a certificate is for a topic, or for one made from it. One that names none may be for any."""
    if not certificate_topics or topic in certificate_topics:
        return True
    return any(topic + suffix in certificate_topics for suffix in TOPIC_SUFFIXES)


def _cut_suffix(topic: str) -> str:
    return next((topic.removesuffix(suffix) for suffix in TOPIC_SUFFIXES if topic.endswith(suffix)), topic)
