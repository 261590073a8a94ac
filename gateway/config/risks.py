"""Settings that are allowed and open a door: told whenever they are in effect, so that none stays open by mistake."""

from collections.abc import Mapping

import msgspec

from gateway.config.sections import Config, FcmSettings


class Risk(msgspec.Struct, frozen=True):
    """One setting that makes the gateway reach further than it does by default."""

    place: str
    detail: str

    def __str__(self) -> str:
        return f"{self.place}: {self.detail}"


def find_risks(config: Config) -> list[Risk]:
    """Return what makes strangers' endpoints or signed assertions go elsewhere than to the known services."""
    risks = []
    webpush = config.webpush
    if webpush.hosts == "public":
        detail = (
            "endpoints from strangers may lead to any public host: whoever can hand in one chooses where requests go"
        )
        if config.egress.proxy is not None and config.egress.lookups == "proxy":
            detail += "; the proxy looks their names up, so its own rules must deny it your networks (egress.lookups)"
        risks.append(Risk("webpush.hosts", detail))
    if webpush.allowed_hosts:
        hosts = ", ".join(f"{pattern} ({service.value})" for pattern, service in webpush.allowed_hosts.items())
        risks.append(Risk("webpush.allowed_hosts", f"endpoints from strangers may also lead to {hosts}"))
    if webpush.allowed_networks:
        networks = ", ".join(webpush.allowed_networks)
        risks.append(Risk("webpush.allowed_networks", f"hosts of endpoints may also have addresses in {networks}"))
    if config.fcm.token_uri != FcmSettings().token_uri:
        detail = f"assertions of service accounts go to {config.fcm.token_uri}, not to Google"
        risks.append(Risk("fcm.token_uri", detail))
    return risks


def find_unused_proxy(config: Config, environ: Mapping[str, str]) -> Risk | None:
    """Return the variable that names a proxy where no setting does: whoever set it may believe that it is used.

    Its value isn't repeated: it may hold a password.
    """
    if config.egress.proxy is not None:
        return None
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        if environ.get(name):
            return Risk(name, "is set and not used: connections are made directly unless egress.proxy names a proxy")
    return None
