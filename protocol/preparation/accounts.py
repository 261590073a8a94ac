"""Whether work that was accepted can still be sent as who it was accepted for, when settings have changed meanwhile.

A lane names an app, a provider and its environment, project or origin; an account is who the app was there: its APNs
team and topic, or the VAPID key of a subscription. To send a row as somebody else would blame its destination, or reach
another app's users: it is kept until what it needs is there again.
"""

from collections.abc import Callable, Mapping

from protocol.preparation.facts import AppFacts
from protocol.providers.apns.facts import ApnsFacts


def find_missing(apps: Mapping[str, AppFacts], lane: str, account: str) -> str | None:
    """Return what is missing, by the name of its setting, to send rows of a lane; None when nothing is.

    ``account`` is empty where it wasn't noted: then the lane alone decides.
    """
    app, _, rest = lane.partition("/")
    provider, _, where = rest.partition("/")
    check = _CHECKS.get(provider)
    if check is None:
        return f"lane {lane} is of no provider that this version knows"
    facts = apps.get(app)
    if facts is None:
        return f"apps.{app} is not configured"
    return check(facts, where, account)


def _check_apns(app: AppFacts, where: str, account: str) -> str | None:
    place, facts = f"apps.{app.name}.apns", app.apns
    if facts is None:
        return f"{place} is not configured"
    if where not in {"production", "sandbox", "production/broadcast", "sandbox/broadcast"}:
        return f"APNs has no environment {where}"
    team, _, topic = account.partition("/")
    if team and facts.team_id and team != facts.team_id:
        return f"{place}.team_id is {facts.team_id}, and was {team}"
    if where.endswith("/broadcast") and facts.topic is None:
        return f"{place}.topic is not set, and broadcasts need it"
    return _check_topic(facts, place, topic) if topic else None


def _check_topic(facts: ApnsFacts, place: str, topic: str) -> str | None:
    if facts.topic not in {None, topic}:
        return f"{place}.topic is {facts.topic}, and was {topic}"
    if not facts.covers(topic):
        return f"{place}.certificate_file is not for the topic {topic}"
    return None


def _check_fcm(app: AppFacts, where: str, account: str) -> str | None:
    del account  # the lane says it
    place, project = f"apps.{app.name}.fcm", where.partition("/")[0]
    if app.fcm is None:
        return f"{place} is not configured"
    if project != app.fcm.project_id:
        return f"{place} is for the project {app.fcm.project_id}, and was for {project}"
    return None


def _check_webpush(app: AppFacts, where: str, account: str) -> str | None:
    del where  # an origin that isn't allowed any more is refused row by row
    if app.webpush is None:
        return f"apps.{app.name}.webpush is not configured"
    if account and account not in app.webpush.vapid_keys.values():
        return f"apps.{app.name}.webpush has not the VAPID key {account}"
    return None


_CHECKS: dict[str, Callable[[AppFacts, str, str], str | None]] = {
    "apns": _check_apns,
    "fcm": _check_fcm,
    "webpush": _check_webpush,
}
