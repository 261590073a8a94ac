"""From settings to the proxy: its login and authorities are read, as other credentials are."""

from collections.abc import Callable
from pathlib import Path

from gateway.clock import Clock
from gateway.config import EgressSettings, Fault, HostPatterns
from gateway.delivery.credentials.authorities import load_authorities
from gateway.delivery.credentials.errors import InvalidCredentialFileError
from gateway.delivery.egress.lookups import Lookups
from gateway.delivery.egress.proxy.login import load_login
from gateway.delivery.egress.proxy.proxy import Proxy

LOOKUP_THREADS = 2  # it has one name


def load_proxy(
    settings: EgressSettings, clock: Clock, uniform: Callable[[float, float], float], faults: list[Fault]
) -> Proxy | None:
    """Return the proxy, noting what can't be used; None where none is set, or where that keeps it from being used."""
    address = settings.proxy_address
    if address is None:
        return None
    faults_before = len(faults)
    login = tls = None
    try:
        login = load_login(Path(settings.proxy_login_file)) if settings.proxy_login_file else None
    except InvalidCredentialFileError as error:
        faults.append(Fault("egress.proxy_login_file", str(error)))
    if address.is_encrypted:
        try:
            tls = load_authorities(Path(settings.ca_file) if settings.ca_file else None)
            tls.set_alpn_protocols(["http/1.1"])
        except InvalidCredentialFileError as error:
            faults.append(Fault("egress.ca_file", str(error)))
    if len(faults) > faults_before:
        return None
    return Proxy(
        address,
        login=login,
        tls=tls,
        direct=HostPatterns(settings.no_proxy),
        looks_up_here=settings.lookups == "here",
        resolver=Lookups(threads=LOOKUP_THREADS, clock=clock).resolve,
        clock=clock,
        uniform=uniform,
    )
