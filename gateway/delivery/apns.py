"""APNs as lanes see it: where its servers are, how a row becomes a request, what its answers mean."""

import ssl
from collections.abc import Callable

from gateway.clock import Clock
from gateway.delivery.credentials import ApnsCredential
from gateway.delivery.dialer import Dialer
from gateway.journal.engine import BatchRecord
from native import Exchange, HeaderSet, Requests, Session
from protocol.chunks import Chunk
from protocol.outcomes import Verdict
