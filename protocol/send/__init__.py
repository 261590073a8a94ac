"""The ``send`` request: its fields, its decoding in slices, and the fingerprint that makes it idempotent."""

from protocol.refusals import RequestError
from protocol.send.decoding import (
    BatchLimits,
    SliceLimits,
    cut_slices,
    decode_batch,
    decode_rows,
    find_batch_id,
    open_batch,
)
from protocol.send.fields import (
    ApnsOptions,
    ApnsTarget,
    BatchEnvelope,
    BatchId,
    Content,
    Defaults,
    FcmOptions,
    FcmTarget,
    Notification,
    SendFrame,
    Target,
    TargetRow,
    WebPushKeys,
    WebPushOptions,
    WebPushTarget,
)
from protocol.send.fingerprint import Fingerprint
from protocol.send.unreadable_rows import Row, UnreadableRow

__all__ = [
    "ApnsOptions",
    "ApnsTarget",
    "BatchEnvelope",
    "BatchId",
    "BatchLimits",
    "Content",
    "Defaults",
    "FcmOptions",
    "FcmTarget",
    "Fingerprint",
    "Notification",
    "RequestError",
    "Row",
    "SendFrame",
    "SliceLimits",
    "Target",
    "TargetRow",
    "UnreadableRow",
    "WebPushKeys",
    "WebPushOptions",
    "WebPushTarget",
    "cut_slices",
    "decode_batch",
    "decode_rows",
    "find_batch_id",
    "open_batch",
]
