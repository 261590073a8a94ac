"""Subscriptions of the Web Push simulator: made of nothing but a secret and a number, and known by their exact path."""

import re
from base64 import urlsafe_b64decode
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.simulators.webpush.endpoint_paths import HIGHEST_NUMBER, find_number, make_path
from bench.simulators.webpush.subscriptions import Subscriptions
from tests.support.push_sender import KEYS, SECRET

STYLES = {
    "mozilla": r"/wpush/v2/gAAAA[A-Za-z0-9_-]{178}",
    "fcm": r"/wp/[A-Za-z0-9_-]{11}:APA91b[A-Za-z0-9_-]{134}",
    "apple": r"/Q[A-Za-z0-9_-]{11}/[A-Za-z0-9_-]{107}",
    "wns": r"/w/\?token=BQYAA(?:[A-Za-z0-9]|%2b|%2f){163}",
    "other": r"/push/[A-Za-z0-9_-]{43}",
}
SERVICES = list(STYLES)


@pytest.mark.parametrize("service", SERVICES)
def test_paths_look_as_the_service_writes_them(service):
    for number in range(50):
        assert re.fullmatch(STYLES[service], make_path(SECRET, service, number))


def test_paths_of_wns_have_something_to_lose_by_normalising():
    paths = [make_path(SECRET, "wns", number) for number in range(20)]
    assert any("%2b" in path for path in paths)
    assert any("%2f" in path for path in paths)


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("number", [0, 1, 255, 10_000, HIGHEST_NUMBER])
def test_subscription_is_found_again_by_its_path(service, number):
    subscriptions = Subscriptions(SECRET, KEYS)
    made = subscriptions.make(service, number)
    found = subscriptions.find(service, made.path)
    assert found is not None
    assert (found.number, found.export("https://x"), found.vapid_key) == (
        number,
        made.export("https://x"),
        made.vapid_key,
    )


@pytest.mark.parametrize("service", SERVICES)
def test_any_other_path_is_unknown(service):
    path = make_path(SECRET, service, 7)
    for position in range(len(path)):
        other = "B" if path[position] == "A" else "A"
        changed = path[:position] + other + path[position + 1 :]
        assert find_number(SECRET, service, changed) is None, position
    for changed in (path + "A", path[:-1], path + "/", path + "?", path + " ", path.lower(), "", "/", "*", path + "\n"):
        assert find_number(SECRET, service, changed) is None, changed


@pytest.mark.parametrize("service", SERVICES)
@given(token=st.text(alphabet="AZaz09-_%2b/=:?", max_size=240))
def test_no_path_upsets_the_search_for_its_subscription(service, token):
    start = make_path(SECRET, service, 0)
    for path in (start[:20] + token, token, start + token):
        assert find_number(SECRET, service, path) in (None, 0)


def test_path_is_known_however_it_is_percent_encoded():
    subscriptions = Subscriptions(SECRET, KEYS)
    number, path = next((number, path) for number in range(20) if "%2" in (path := make_path(SECRET, "wns", number)))
    for changed in (unquote(path), path.replace("%2b", "%2B").replace("%2f", "%2F"), path.replace("w", "%77")):
        assert changed != path
        found = subscriptions.find("wns", changed)
        assert (found.number, found.path, found.auth_secret) == (
            number,
            path,
            subscriptions.make("wns", number).auth_secret,
        )
    assert find_number(SECRET, "wns", path.replace("%", "%25")) is None
    assert find_number(SECRET, "fcm", make_path(SECRET, "fcm", 7).replace(":", "%3A")) == 7


@pytest.mark.parametrize("service", SERVICES)
def test_path_belongs_to_one_service_and_one_secret(service):
    path = make_path(SECRET, service, 7)
    assert [other for other in SERVICES if find_number(SECRET, other, path) is not None] == [service]
    assert find_number(bytes(32), service, path) is None


@pytest.mark.parametrize("number", [-1, HIGHEST_NUMBER + 1])
def test_number_out_of_range_is_refused(number):
    with pytest.raises(ValueError, match="numbered from 0"):
        make_path(SECRET, "fcm", number)


def test_subscription_is_exported_as_browsers_do():
    exported = Subscriptions(SECRET, KEYS).make("fcm", 3).export("https://localhost:4711")
    assert set(exported) == {"endpoint", "expirationTime", "keys"}
    assert exported["endpoint"].startswith("https://localhost:4711/wp/")
    assert exported["expirationTime"] is None
    lengths = {name: len(urlsafe_b64decode(text + "==")) for name, text in exported["keys"].items()}
    assert lengths == {"p256dh": 65, "auth": 16}
    assert "=" not in "".join(exported["keys"].values())


def test_no_two_subscriptions_share_a_key_or_a_path():
    subscriptions = Subscriptions(SECRET, KEYS)
    made = [subscriptions.make(service, number) for service in SERVICES for number in range(20)]
    assert len({each.path for each in made}) == len({each.public_key for each in made}) == len(made)
    assert len({each.auth_secret for each in made}) == len(made)


def test_subscriptions_are_spread_evenly_over_the_vapid_keys():
    subscriptions = Subscriptions(SECRET, KEYS)
    assert [subscriptions.make("apple", number).vapid_key.id for number in range(4)] == ["first", "second"] * 2


def test_secrets_are_kept_out_of_representations():
    subscription = Subscriptions(SECRET, KEYS).make("apple", 5)
    assert repr(subscription) == "<Subscription apple 5>"
    assert repr(subscription.vapid_key) == "<VapidKey second>"
