"""The manners of the push services: how each says the same things (docs/web-push.md#services)."""

from bench.simulators.webpush.habits.apple import Apple
from bench.simulators.webpush.habits.base import Habits
from bench.simulators.webpush.habits.fcm import Fcm
from bench.simulators.webpush.habits.mozilla import Mozilla
from bench.simulators.webpush.habits.plain import Plain
from bench.simulators.webpush.habits.wns import Wns

__all__ = ["Apple", "Fcm", "Habits", "Mozilla", "Plain", "Wns"]
