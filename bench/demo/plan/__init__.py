"""What the demo sends: to three providers in every batch, made from a seed."""

from bench.demo.plan.apns import DEAD_PREFIX
from bench.demo.plan.batches import BatchPlan, cut_last_act, plan_batches, plan_last_act, share_out
from bench.demo.plan.fcm import DEAD_TOKEN_PREFIX
from bench.demo.plan.notifications import APP, TITLES, Address, Body, PlannedNotification
from bench.demo.plan.requests import write_request
from bench.demo.plan.webpush import DEAD_SHARE, DEFAULT_VAPID_KEY, SubscriptionLine, read_subscriptions

__all__ = [
    "APP",
    "DEAD_PREFIX",
    "DEAD_SHARE",
    "DEAD_TOKEN_PREFIX",
    "DEFAULT_VAPID_KEY",
    "TITLES",
    "Address",
    "BatchPlan",
    "Body",
    "PlannedNotification",
    "SubscriptionLine",
    "cut_last_act",
    "plan_batches",
    "plan_last_act",
    "read_subscriptions",
    "share_out",
    "write_request",
]
