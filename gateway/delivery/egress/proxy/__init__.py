"""The way out through a CONNECT proxy: one for all providers, and for the exchange of FCM's access tokens.

Imported only where a proxy is set: it brings a library of its own.
"""

from gateway.delivery.egress.proxy.errors import Blame, ProxyError
from gateway.delivery.egress.proxy.loading import load_proxy
from gateway.delivery.egress.proxy.proxy import Proxy

__all__ = ["Blame", "Proxy", "ProxyError", "load_proxy"]
