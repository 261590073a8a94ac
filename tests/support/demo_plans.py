"""Plans of the demo with subscriptions that a simulator would have made, and the app that they are sent as."""

from collections.abc import Iterator

from bench.demo.plan import BatchPlan, PlannedNotification, SubscriptionLine, plan_batches
from bench.simulators.webpush.subscriptions import Subscriptions
from bench.simulators.webpush.vapid_keys import derive_vapid_key
from protocol.preparation import ApnsFacts, AppFacts, FcmFacts
from protocol.providers.webpush import EndpointPolicy, WebPushFacts
from protocol.providers.webpush.services import Service

SECRET = bytes(range(32))
VAPID_KEYS = [derive_vapid_key(SECRET, key_id) for key_id in ("first", "second")]
HOST = "localhost:4711"


def app_facts() -> AppFacts:
    """Return the demo's app as the gateway would prepare for it."""
    keys = {key.id: key.application_server_key for key in VAPID_KEYS}
    endpoints = EndpointPolicy({HOST: Service.OTHER})
    return AppFacts(
        name="shop",
        apns=ApnsFacts(topic="com.example.shop", environment="production", token_auth=True),
        fcm=FcmFacts(project_id="shop-1"),
        webpush=WebPushFacts(vapid_keys=keys, default_vapid_key="first", endpoints=endpoints),
    )


def make_subscriptions(count: int) -> Iterator[SubscriptionLine]:
    """Yield so many, of one service."""
    subscriptions = Subscriptions(SECRET, VAPID_KEYS)
    for number in range(count):
        made = subscriptions.make("other", number)
        yield SubscriptionLine(made.vapid_key.id, made.export(f"https://{HOST}"))


def make_batches(count: int, *, seed: int = 1, batch_size: int = 500) -> list[BatchPlan]:
    """Return a whole plan."""
    return list(plan_batches(count, seed, batch_size, make_subscriptions(count // 3)))


def notifications_of(batches: list[BatchPlan]) -> list[PlannedNotification]:
    """Return the notifications of all batches."""
    return [notification for batch in batches for notification in batch.notifications]
