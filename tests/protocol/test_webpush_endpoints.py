"""Which endpoints may be sent to, in every form that a request is smuggled in."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.providers.webpush import EndpointPolicy, Service, endpoints, make_origin, split_origin
from protocol.reasons import Reason
from protocol.rejections import RowError

FORMS = tomllib.loads((Path(__file__).parent / "data" / "webpush_endpoints.toml").read_text())
REFUSED = [(reason, url) for reason, urls in FORMS["refused"].items() for url in urls]
KNOWN = EndpointPolicy()


def refuse(policy: EndpointPolicy, url: str) -> RowError:
    with pytest.raises(RowError) as refusal:
        policy.read_endpoint(url)
    return refusal.value


@pytest.mark.parametrize("form", FORMS["allowed"], ids=lambda form: form["url"])
def test_known_services_are_allowed_and_their_path_kept_byte_for_byte(form):
    for _ in range(2):  # the second time from memory
        endpoint = KNOWN.read_endpoint(form["url"])
        assert (endpoint.origin, endpoint.path) == (form["origin"], form["path"].encode())
    assert KNOWN.find_service(endpoint.origin) is Service(form["service"])


@pytest.mark.parametrize(("reason", "url"), REFUSED)
def test_everything_else_is_refused_without_being_repeated(reason, url):
    refusal = refuse(KNOWN, url)
    assert (refusal.reason.word, refusal.field) == (reason, "to.webpush.endpoint")
    assert url not in refusal.detail or url == "x"


def test_a_pattern_that_allows_everything_below_it_still_allows_no_address_and_no_apns():
    policy = EndpointPolicy({"*.apple.com": Service.OTHER, "localhost:8443": Service.WNS})
    for url in ("https://api.push.apple.com/x", "https://api.x.push.apple.com/x", "https://127.0.0.1:8443/x"):
        assert refuse(policy, url).reason is Reason.ENDPOINT_NOT_ALLOWED


def test_more_hosts_match_whole_labels_and_their_port_alone():
    policy = EndpointPolicy({"*.Example.org": Service.OTHER, "push.example.net:8443": Service.WNS})
    assert policy.read_endpoint("https://a.b.example.org/x").origin == "https://a.b.example.org"
    origin = policy.read_endpoint("https://PUSH.example.net:8443/x").origin
    assert (origin, policy.find_service(origin)) == ("https://push.example.net:8443", Service.WNS)
    for host in ("example.org", "badexample.org", "a.example.org:8443", "push.example.net", "a.push.example.net:8443"):
        assert refuse(policy, f"https://{host}/x").reason is Reason.ENDPOINT_NOT_ALLOWED


PUBLIC = EndpointPolicy({"push.inside.lan:8443": Service.WNS}, takes_public_hosts=True)


@pytest.mark.parametrize("host", ["ntfy.example.org", "push.xn--bcher-kva.de", "a.b.c.d.example.net", "x.co"])
def test_any_public_host_is_allowed_where_a_setting_says_so(host):
    origin = PUBLIC.read_endpoint(f"https://{host.upper()}.:443/UP?x=1").origin
    assert (origin, PUBLIC.find_service(origin)) == (f"https://{host}", Service.OTHER)
    assert KNOWN.find_service(origin) is None


@pytest.mark.parametrize("form", FORMS["allowed"], ids=lambda form: form["url"])
def test_known_services_keep_their_habits_among_all_public_hosts(form):
    assert PUBLIC.find_service(PUBLIC.read_endpoint(form["url"]).origin) is Service(form["service"])


def test_a_host_that_is_allowed_by_name_needs_not_be_public():
    assert PUBLIC.find_service(PUBLIC.read_endpoint("https://push.inside.lan:8443/x").origin) is Service.WNS


@pytest.mark.parametrize(
    "authority",
    [
        *("localhost", "intranet", "a.localhost", "router.local", "metadata.google.internal", "nas.lan", "x.home.arpa"),
        *("pushmill.svc.cluster.local", "hidden.onion", "1.1.1.1.in-addr.arpa", "ntfy.example.org:8443"),
        *("ntfy.example.org:22", "push.inside.lan", "127.0.0.1", "[::1]", "2130706433", "0x7f.1", "8.8.8.8"),
        *("user@ntfy.example.org", "api.push.apple.com", "api.sandbox.push.apple.com"),
    ],
)
def test_what_is_no_public_host_at_the_usual_port_is_refused_all_the_same(authority):
    assert refuse(PUBLIC, f"https://{authority}/x").reason is Reason.ENDPOINT_NOT_ALLOWED


def test_an_origin_whose_pattern_was_taken_back_has_no_service():
    assert KNOWN.find_service("https://push.example.net:8443") is None


@pytest.mark.parametrize(
    "pattern", ["", "*", "*.", "https://x.example", "a.*.example", "127.0.0.1", "x:0", "[::1]", "a b"]
)
def test_what_is_no_host_pattern_is_an_error_of_the_setting(pattern):
    with pytest.raises(ValueError, match="host pattern"):
        EndpointPolicy({pattern: Service.OTHER})


def test_an_endpoint_of_2048_characters_is_the_longest():
    base = "https://fcm.googleapis.com/"
    longest = base + "x" * (2048 - len(base))
    assert KNOWN.read_endpoint(longest).path == longest[len(base) - 1 :].encode()
    assert refuse(KNOWN, longest + "x").reason is Reason.INVALID_TOKEN


def test_remembered_origins_are_bounded(monkeypatch):
    monkeypatch.setattr(endpoints, "REMEMBERED_ORIGINS", 2)
    policy = EndpointPolicy({"*.example.org": Service.OTHER})
    for name in "abcab":
        assert policy.read_endpoint(f"https://{name}.example.org/x").origin == f"https://{name}.example.org"
    assert len(policy._origins) <= 2


def test_origins_read_back():
    for host, port in (("a.example", 443), ("a.example", 8443)):
        assert split_origin(make_origin(host, port)) == (host, port)


@given(
    st.text(max_size=40), st.sampled_from(["", "https://", "https://fcm.googleapis.com", "https://x.push.apple.com/"])
)
def test_any_text_is_refused_or_has_an_allowed_origin(text, start):
    try:
        endpoint = KNOWN.read_endpoint(start + text)
    except RowError:
        return
    host, port = split_origin(endpoint.origin)
    assert port == 443
    assert host == "fcm.googleapis.com" or host.endswith(
        (".push.apple.com", ".push.services.mozilla.com", ".windows.com")
    )
    assert (start + text).endswith(endpoint.path.decode())
