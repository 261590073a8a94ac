"""Settings of the way out: what is a proxy, what has no meaning without one, and the environment's, not followed."""

import json

import pytest
import structlog.testing
from typer import Typer
from typer.testing import CliRunner

from gateway.cli.check_config import check_config
from gateway.config import Config, EgressSettings, SectionError, find_unused_proxy
from gateway.config.addresses import parse_proxy
from gateway.serve import tell_unused_proxy

command = Typer()
command.command()(check_config)


@pytest.mark.parametrize(
    ("text", "host", "port", "is_encrypted"),
    [
        ("http://proxy.example:3128", "proxy.example", 3128, False),
        ("https://proxy.example:443/", "proxy.example", 443, True),
        ("http://[::1]:8080", "::1", 8080, False),
        ("http://10.0.0.1:8080", "10.0.0.1", 8080, False),
    ],
)
def test_a_proxy_is_a_url_with_host_and_port(text, host, port, is_encrypted):
    found = parse_proxy(text)
    assert (found.address.host, found.address.port, found.is_encrypted) == (host, port, is_encrypted)
    assert str(found) == text.removesuffix("/")


@pytest.mark.parametrize(
    "text",
    ["", "proxy.example:3128", "socks5://proxy.example:1080", "http://proxy.example", "http://proxy.example:0",
     "http://proxy.example:3128/path", "http://:3128", "http://a b:1", "http://proxy.example:99999", "HTTP://x:1"],
)  # fmt: skip
def test_what_is_no_proxy_is_a_fault(text):
    with pytest.raises(SectionError, match="proxy: expected http://host:port or https://host:port"):
        EgressSettings(proxy=text)


def test_a_password_in_the_url_is_a_fault_and_not_repeated():
    with pytest.raises(SectionError, match=r"set egress\.proxy_login_file") as raised:
        EgressSettings(proxy="http://gateway:c4n4ry@proxy.example:3128")
    assert "c4n4ry" not in str(raised.value)


@pytest.mark.parametrize(
    "settings",
    [{"proxy_login_file": "x"}, {"ca_file": "x"}, {"no_proxy": ("a.example",)}, {"lookups": "here"}],
)
def test_what_has_no_meaning_without_a_proxy_is_a_fault(settings):
    with pytest.raises(SectionError, match=r"has no meaning without egress\.proxy"):
        EgressSettings(**settings)
    EgressSettings(proxy="https://proxy.example:3128", **settings)


def test_authorities_have_no_meaning_for_a_proxy_without_tls():
    with pytest.raises(SectionError, match="is for an https:// proxy"):
        EgressSettings(proxy="http://proxy.example:3128", ca_file="x")


@pytest.mark.parametrize(
    "pattern",
    ["", "*", "*.", "a.example:", "a.example:x", "a.example:0", "http://a.example", "a*b", "a b", "10.0.0.1/8"],
)
def test_what_is_no_pattern_is_a_fault(pattern):
    with pytest.raises(SectionError, match=r"no_proxy: .* is no host pattern"):
        EgressSettings(proxy="http://proxy.example:3128", no_proxy=(pattern,))


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
def test_a_variable_that_names_a_proxy_is_told_unless_a_setting_does(name):
    found = find_unused_proxy(Config(), {name: "http://user:c4n4ry@proxy.example:3128"})
    assert found.place == name
    assert "c4n4ry" not in str(found)
    assert find_unused_proxy(Config(), {name: "", "NO_PROXY": "x", "HTTP_PROXY": "http://x:1"}) is None
    config = Config(egress=EgressSettings(proxy="http://proxy.example:3128"))
    assert find_unused_proxy(config, {name: "http://x:1"}) is None


@pytest.fixture
def path(tmp_path, monkeypatch):
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "gateway.toml"
    path.write_text('[journal]\nengine = "memory"\n')
    return path


def test_check_config_names_the_variable_that_is_not_used(path):
    environ = {"HTTPS_PROXY": "http://user:c4n4ry@proxy.example:3128"}
    result = CliRunner().invoke(command, ["--config", str(path), "--json"], env=environ)
    assert [warning["place"] for warning in json.loads(result.stdout)["warnings"]] == ["HTTPS_PROXY"]
    assert "c4n4ry" not in result.output


def test_check_config_opens_the_login_of_the_proxy(path):
    path.write_text(path.read_text() + '[egress]\nproxy = "http://proxy.example:3128"\nproxy_login_file = "login"\n')
    (path.parent / "login").write_text("c4n4ry")
    result = CliRunner().invoke(command, ["--config", str(path)])
    assert result.exit_code == 1
    assert f"egress.proxy_login_file: {path.parent}/login: expected one line user:password" in result.stderr
    assert "c4n4ry" not in result.output


def test_the_start_tells_once_that_the_variable_is_not_used():
    with structlog.testing.capture_logs() as events:
        tell_unused_proxy(Config(), {"HTTPS_PROXY": "http://user:c4n4ry@proxy.example:3128"})
        tell_unused_proxy(Config(), {})
    assert [(event["event"], event["variable"]) for event in events] == [("proxy_variable_unused", "HTTPS_PROXY")]
    assert "c4n4ry" not in str(events)
