"""Mechanism in Cython over C: the HTTP/2 client session and its request encoder, and Web Push encryption."""

from native.encryption import encrypt_batch, encrypt_reproducibly
from native.key_pool import KeyPool
from native.memory import fail_allocation_after, live_objects
from native.records import EncryptedBatch, Exchange, GoAway, SessionStatistics
from native.requests import HeaderSet, Requests
from native.routes import ENCRYPTION_ROUTES
from native.session import Session

__all__ = [
    "ENCRYPTION_ROUTES",
    "EncryptedBatch",
    "Exchange",
    "GoAway",
    "HeaderSet",
    "KeyPool",
    "Requests",
    "Session",
    "SessionStatistics",
    "encrypt_batch",
    "encrypt_reproducibly",
    "fail_allocation_after",
    "live_objects",
]
