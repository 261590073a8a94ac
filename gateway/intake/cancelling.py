"""The three ways to say what is to be cancelled, and nothing in between."""

from gateway.journal.engine import CancelCount, Engine
from protocol.frames import Cancel
from protocol.reasons import Reason
from protocol.refusals import RequestError


async def cancel(engine: Engine, principal: str, frame: Cancel, now_ms: int) -> CancelCount:
    """Cancel what a frame names; return once that is committed. Raises RequestError."""
    if frame.batch_id is None:
        if frame.app is None or frame.cancel_key is None or frame.ids is not None or frame.indexes is not None:
            raise _malformed("app" if frame.cancel_key is not None else "batch_id")
        return await engine.cancel_key(principal, frame.app, frame.cancel_key, now_ms)
    if frame.app is not None or frame.cancel_key is not None:
        raise _malformed("app" if frame.app is not None else "cancel_key")
    if frame.ids is None:
        return await engine.cancel(principal, frame.batch_id, frame.indexes, now_ms)
    if frame.indexes is not None:
        raise _malformed("indexes")
    return await engine.cancel_ids(principal, frame.batch_id, frame.ids, now_ms)


def _malformed(field: str) -> RequestError:
    detail = "a cancel names a batch_id, perhaps with ids or indexes of it, or else an app and a cancel_key"
    return RequestError(Reason.MALFORMED, field, detail)
