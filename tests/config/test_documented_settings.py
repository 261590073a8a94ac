"""docs/configuration.md and the sections tell the same: every setting, with its default, and no other."""

import json
import re
from pathlib import Path

import msgspec

from gateway.config import AppSettings, Config, load_config

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| `(?P<name>[a-z_<>.]+)` \| (?P<default>[^|]+) \| (?P<meaning>[^|]{10,}) \|$", re.MULTILINE)


def show(default):
    return "-" if default is None else f"`{json.dumps(default)}`"


def find_defaults():
    """Every setting there is, by dotted name, with its default as the table shows it."""
    defaults = {}
    for section in msgspec.structs.fields(Config):
        if section.name != "apps":
            for name, value in msgspec.to_builtins(section.default).items():
                defaults[f"{section.name}.{name}"] = show(value)
    for provider in msgspec.structs.fields(AppSettings):
        (kind,) = [kind for kind in provider.type.__args__ if kind is not type(None)]
        for field in msgspec.structs.fields(kind):
            default = {} if field.default_factory is dict else field.default
            defaults[f"apps.<name>.{provider.name}.{field.name}"] = show(default)
    return defaults


def test_every_setting_is_documented_with_its_default_and_every_documented_one_exists():
    text = (ROOT / "docs" / "configuration.md").read_text()
    documented = {match["name"]: match["default"].strip() for match in ROW.finditer(text)}
    assert documented == find_defaults()


def test_each_documented_setting_stands_under_its_section():
    text = (ROOT / "docs" / "configuration.md").read_text()
    for part in text.split("\n## ")[1:]:
        section = part.split("\n", 1)[0]
        assert {match["name"].split(".")[0] for match in ROW.finditer(part)} == {section}


def test_the_example_is_a_good_configuration():
    config = load_config(ROOT / "examples" / "gateway.toml", {})
    assert set(config.apps) == {"shop", "reader"}
    assert None not in msgspec.structs.astuple(config.apps["shop"])


def test_what_the_example_has_commented_out_is_good_too(tmp_path):
    text = (ROOT / "examples" / "gateway.toml").read_text()
    for instead in (
        'socket = ["unix:/run/pushmill/gateway.sock"]\n',
        'vapid_key_file = "/etc/pushmill/shop-vapid.pem"\n',
    ):
        assert instead in text
        text = text.replace(f"\n{instead}", "\n", 1)
    path = tmp_path / "gateway.toml"
    path.write_text(re.sub(r"^# (?=[a-z_]+ = )", "", text, flags=re.MULTILINE))
    config = load_config(path, {})
    assert len(config.listen.socket) == 2
    assert config.listen.tls_key_file is not None
    assert len(config.apps["shop"].webpush.key_files) == 2
