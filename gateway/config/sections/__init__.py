"""The settings: frozen sections, each default beside its reason. docs/configuration.md tells operators the same.

A section checks what its settings mean together when it is made; bounds of single settings are checked where they
are read (:mod:`gateway.config.reading`). Secrets are never values here, only paths of files that hold them.
"""

from gateway.config.sections.access import AccessSettings
from gateway.config.sections.apns import ApnsAppSettings, ApnsSettings
from gateway.config.sections.config import AppSettings, Config
from gateway.config.sections.door import LimitSettings, ListenSettings
from gateway.config.sections.egress import EgressSettings
from gateway.config.sections.fcm import FcmAppSettings, FcmSettings
from gateway.config.sections.section import Section
from gateway.config.sections.sessions import SessionSettings
from gateway.config.sections.webpush import WebPushAppSettings, WebPushSettings
from gateway.config.sections.work import DeliverySettings, JournalSettings, LogSettings

__all__ = [
    "AccessSettings",
    "ApnsAppSettings",
    "ApnsSettings",
    "AppSettings",
    "Config",
    "DeliverySettings",
    "EgressSettings",
    "FcmAppSettings",
    "FcmSettings",
    "JournalSettings",
    "LimitSettings",
    "ListenSettings",
    "LogSettings",
    "Section",
    "SessionSettings",
    "WebPushAppSettings",
    "WebPushSettings",
]
