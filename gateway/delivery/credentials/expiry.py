"""Certificates end once a year, and everything of their app with them: an alarm well before."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from gateway.delivery.credentials.apns_credential import ApnsCredential

# Renewing one takes a person, a portal and a rollout.
ALARM_AHEAD = timedelta(days=30)


def find_expiring(credentials: Mapping[str, ApnsCredential], now: datetime) -> dict[str, datetime]:
    """Return the apps whose certificate has ended or ends within 30 days, with the moment."""
    return {
        app: credential.expires_at
        for app, credential in credentials.items()
        if credential.expires_at is not None and credential.expires_at - now <= ALARM_AHEAD
    }
