"""Settings: defaults, then a TOML file, then the environment; checked whole, every fault reported at once."""

from gateway.config.addresses import (
    ProxyAddress,
    TcpAddress,
    UnixAddress,
    parse_host_port,
    parse_listen_address,
)
from gateway.config.changes import find_changes
from gateway.config.faults import ConfigError, Fault, SectionError
from gateway.config.host_patterns import HostPatterns
from gateway.config.loading import effective, load_config, read_config
from gateway.config.risks import Risk, find_risks, find_unused_proxy
from gateway.config.sections import (
    AccessSettings,
    ApnsAppSettings,
    ApnsSettings,
    AppSettings,
    Config,
    DeliverySettings,
    EgressSettings,
    FcmAppSettings,
    FcmSettings,
    JournalSettings,
    LimitSettings,
    ListenSettings,
    LogSettings,
    SessionSettings,
    WebPushAppSettings,
    WebPushSettings,
)

__all__ = [
    "AccessSettings",
    "ApnsAppSettings",
    "ApnsSettings",
    "AppSettings",
    "Config",
    "ConfigError",
    "DeliverySettings",
    "EgressSettings",
    "Fault",
    "FcmAppSettings",
    "FcmSettings",
    "HostPatterns",
    "JournalSettings",
    "LimitSettings",
    "ListenSettings",
    "LogSettings",
    "ProxyAddress",
    "Risk",
    "SectionError",
    "SessionSettings",
    "TcpAddress",
    "UnixAddress",
    "WebPushAppSettings",
    "WebPushSettings",
    "effective",
    "find_changes",
    "find_risks",
    "find_unused_proxy",
    "load_config",
    "parse_host_port",
    "parse_listen_address",
    "read_config",
]
