"""What must be known of an app's APNs configuration to prepare and build its requests."""

import msgspec

from protocol.lanes import ApnsEnvironment


class ApnsFacts(msgspec.Struct, frozen=True, kw_only=True):
    """``topic`` is the bundle id, ``environment`` the default one; ``token_auth`` is False with a certificate.

    ``certificate_topics`` are those that the certificate names.
    """

    topic: str | None
    environment: ApnsEnvironment | None
    token_auth: bool
    team_id: str | None = None
    certificate_topics: frozenset[str] = frozenset()

    def name_account(self, *, names_topic: bool) -> str:
        """Return ``team/topic`` of rows that are accepted now, each as far as it is known.

        ``names_topic``: the caller chose a topic, and it goes with the rows.
        """
        topic = self.topic
        if topic is None and len(self.certificate_topics) == 1:
            (topic,) = self.certificate_topics
        return f"{self.team_id or ''}/{'' if names_topic or topic is None else topic}"
