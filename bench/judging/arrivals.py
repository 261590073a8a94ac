"""What the providers received: three ledgers, read into words that are the same for all of them.

What each provider answers is known here alone: which status is a success, which says that a destination is dead, and
which asks the sender to come again.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from bench.judging.history import ProviderName, read_records
from bench.simulators.apns import ApnsLedgerEntry
from bench.simulators.fcm import FcmLedgerEntry
from bench.simulators.server import LedgerEntry
from bench.simulators.webpush import WebPushLedgerEntry


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """One request that a provider saw whole, and what became of it."""

    provider: ProviderName
    at: int
    """UNIX time in milliseconds at which it was whole."""
    settled_at: int
    """And at which it was answered, refused or cut off."""
    session: int
    stream: int
    destination: str
    body_sha256: str
    """What is to be compared: bytes (APNs), what the message says (FCM), the plaintext (Web Push)."""
    undecryptable: str | None = None
    """Why the browser could not read it; then there is nothing to compare."""
    status: int | None
    reason: str | None
    processed: bool
    provider_id: str | None
    """The provider's name for it, if the sender has learned it."""
    life: int = 0
    """How often the gateway had been killed when it sent this."""

    @property
    def is_success(self) -> bool:
        """Whether the provider took it."""
        return self.status == _ANSWERS[self.provider].success

    @property
    def says_dead(self) -> bool:
        """Whether the provider called the destination dead."""
        return self.status in _ANSWERS[self.provider].dead

    @property
    def asks_for_repeat(self) -> bool:
        """Whether the provider wants to be sent it again: later, or with another token."""
        return self.status is not None and (self.status >= 500 or self.status in _ANSWERS[self.provider].repeatable)

    @property
    def place(self) -> str:
        """Where it came in, for messages."""
        return f"session {self.session}, stream {self.stream}"


class _Answers(msgspec.Struct, frozen=True):
    success: int
    dead: frozenset[int]
    repeatable: frozenset[int]


_ANSWERS: Mapping[str, _Answers] = {
    ProviderName.APNS: _Answers(200, frozenset({410}), frozenset({429})),
    ProviderName.FCM: _Answers(200, frozenset({404}), frozenset({401, 429})),
    ProviderName.WEBPUSH: _Answers(201, frozenset({404, 410}), frozenset({429})),
}


def read_arrivals(provider: ProviderName, ledger: Path) -> Iterator[Arrival]:
    """Yield what one provider's ledger has, in its order; nothing where there is none."""
    kind, read = _LEDGERS[provider]
    for entry in read_records(ledger, kind):
        yield read(entry)


def _read_apns(entry: ApnsLedgerEntry) -> Arrival:
    return _read(ProviderName.APNS, entry, provider_id=entry.apns_id)


def _read_fcm(entry: FcmLedgerEntry) -> Arrival:
    name = entry.message_id if entry.status == _ANSWERS[ProviderName.FCM].success else None
    return _read(ProviderName.FCM, entry, provider_id=name, body_sha256=entry.message_sha256)


def _read_webpush(entry: WebPushLedgerEntry) -> Arrival:
    location = entry.location if entry.status == _ANSWERS[ProviderName.WEBPUSH].success else None
    return _read(ProviderName.WEBPUSH, entry, provider_id=location, undecryptable=entry.decryption)


def _read(provider: ProviderName, entry: LedgerEntry, **own: Any) -> Arrival:  # noqa: ANN401 - the fields of Arrival
    common = {name: getattr(entry, name) for name in _COMMON_FIELDS}
    return Arrival(provider=provider, **common | own)


_COMMON_FIELDS = (
    "at",
    "settled_at",
    "session",
    "stream",
    "destination",
    "body_sha256",
    "status",
    "reason",
    "processed",
)
_LEDGERS: Mapping[str, tuple[type[Any], Callable[[Any], Arrival]]] = {
    ProviderName.APNS: (ApnsLedgerEntry, _read_apns),
    ProviderName.FCM: (FcmLedgerEntry, _read_fcm),
    ProviderName.WEBPUSH: (WebPushLedgerEntry, _read_webpush),
}
