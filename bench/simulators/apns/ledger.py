"""A line of the ledger of the fake APNs."""

from bench.simulators.server import LedgerEntry


class ApnsLedgerEntry(LedgerEntry, frozen=True, kw_only=True, gc=False):
    """One push; ``destination`` is the device token in lower-case hex as it stood in the path, or the channel id."""

    apns_id: str
    """The apns-id (broadcast: apns-request-id) that the request carried or, when it carried none, was given."""
