"""A planned batch as the request that the socket carries."""

from typing import Any

from bench.demo.plan.batches import BatchPlan
from bench.demo.plan.notifications import APP, PlannedNotification

TTL_SECONDS = 3600


def write_request(batch: BatchPlan) -> dict[str, Any]:
    """Return the fields of a send request."""
    common = {"batch_id": batch.batch_id, "app": APP, "defaults": {"ttl": TTL_SECONDS}}
    if batch.content is None:
        return {**common, "notifications": [_write_notification(planned) for planned in batch.notifications]}
    return {**common, "content": batch.content, "targets": [_write_target(planned) for planned in batch.notifications]}


def _write_notification(planned: PlannedNotification) -> dict[str, Any]:
    written = {"id": planned.id, "to": {planned.provider.value: planned.address.to}, **planned.body.fields}
    return {**written, "on_unknown": "report"} if planned.reports_unknown else written


def _write_target(planned: PlannedNotification) -> dict[str, Any]:
    return {"id": planned.id, planned.provider.value: planned.address.to}
