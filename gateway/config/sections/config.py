"""The whole of the settings: what holds for all, and every app."""

from collections.abc import Iterator

import msgspec

from gateway.config.addresses import TcpAddress
from gateway.config.sections.access import AccessSettings
from gateway.config.sections.apns import ApnsAppSettings, ApnsSettings
from gateway.config.sections.door import LimitSettings, ListenSettings
from gateway.config.sections.egress import EgressSettings
from gateway.config.sections.fcm import FcmAppSettings, FcmSettings
from gateway.config.sections.section import Contradiction, Section
from gateway.config.sections.webpush import WebPushAppSettings, WebPushSettings
from gateway.config.sections.work import DeliverySettings, JournalSettings, LogSettings


class AppSettings(Section, frozen=True, kw_only=True):
    """One configured application: its credentials, a section a provider."""

    apns: ApnsAppSettings | None = None
    fcm: FcmAppSettings | None = None
    webpush: WebPushAppSettings | None = None

    def find_contradictions(self) -> Iterator[Contradiction]:
        """See :class:`Section`."""
        if self.apns is None and self.fcm is None and self.webpush is None:
            yield (
                ("apns", "fcm", "webpush"),
                "missing; an app needs credentials for at least one provider: apns, fcm or webpush",
            )


class Config(Section, frozen=True, kw_only=True):
    """Everything that can be set. Code receives its section, never the whole."""

    listen: ListenSettings = ListenSettings()
    access: AccessSettings = AccessSettings()
    limits: LimitSettings = LimitSettings()
    delivery: DeliverySettings = DeliverySettings()
    egress: EgressSettings = EgressSettings()
    apns: ApnsSettings = ApnsSettings()
    fcm: FcmSettings = FcmSettings()
    webpush: WebPushSettings = WebPushSettings()
    journal: JournalSettings = JournalSettings()
    log: LogSettings = LogSettings()
    apps: dict[str, AppSettings] = msgspec.field(default_factory=dict)

    def find_contradictions(self) -> Iterator[Contradiction]:
        """See :class:`Section`."""
        if self.journal.engine == "sqlite" and self.limits.queued_bytes > self.journal.most_bytes // 2:
            detail = (
                f"most_bytes ({self.journal.most_bytes}) must be at least twice limits.queued_bytes "
                f"({self.limits.queued_bytes}): the results of what is queued need room too"
            )
            yield ("journal", "limits"), detail
        if self.access.users and any(isinstance(address, TcpAddress) for address in self.listen.addresses):
            detail = (
                "with access.users every caller over TCP is refused, for there is no uid: listen at Unix sockets only"
            )
            yield ("listen", "access"), detail
