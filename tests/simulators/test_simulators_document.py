"""docs/simulators.md: its examples are scenarios and settings, and it leaves nothing out that can be said."""

import re
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from bench.simulators.apns import ApnsLedgerEntry, ApnsScenario
from bench.simulators.fcm import FcmLedgerEntry, FcmScenario
from bench.simulators.server import AnswerEvent, Latency, Settings, StreamLimit, parse_scenario
from bench.simulators.server.events import TRIGGERS, Event
from bench.simulators.together import AllScenarios
from bench.simulators.webpush import WebPushLedgerEntry, WebPushScenario
from gateway.config import load_config

TEXT = (Path(__file__).parents[2] / "docs" / "simulators.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL))
PROVIDERS = {"APNs": ApnsScenario, "FCM": FcmScenario, "Web Push": WebPushScenario}


def examples_of(section: str) -> list[str]:
    return re.findall(r"```toml\n(.*?)```", SECTIONS[section], re.DOTALL)


def named_events(kind: type) -> set[str]:
    """Return every word that an event of this kind of scenario knows."""
    events = get_args(get_args(get_type_hints(kind)["events"])[0])
    return {event.__struct_config__.tag for event in events} | {
        field for event in events for field in event.__struct_fields__
    }


def undocumented(names: set[str], *sections: str) -> set[str]:
    text = "".join(SECTIONS[section] for section in sections)
    return {name for name in names if f"`{name}`" not in text}


@pytest.mark.parametrize(("section", "kind"), PROVIDERS.items())
def test_a_providers_examples_are_scenarios(section, kind):
    examples = examples_of(section)
    assert examples
    for example in examples:
        assert parse_scenario(example, kind) != kind()


@pytest.mark.parametrize("kind", PROVIDERS.values())
def test_common_examples_can_be_said_of_every_provider(kind):
    *common, _sections = examples_of("Scenarios")
    assert len(common) > 1
    for example in common:
        assert parse_scenario(example, kind) != kind()


def test_example_with_sections_is_one_for_all_three():
    scenarios = parse_scenario(examples_of("Scenarios")[-1], AllScenarios)
    assert scenarios.apns.seed == 7
    assert len(scenarios.fcm.events) == len(scenarios.webpush.events) == 1


def test_settings_for_the_gateway_are_good(tmp_path):
    (example,) = examples_of("Starting")
    file = tmp_path / "gateway.toml"
    file.write_text(example)
    config = load_config(file, {})
    assert set(config.apps) == {"shop"}


def test_everything_that_all_providers_share_is_documented():
    sections = {field for kind in (Latency, StreamLimit, Settings) for field in kind.__struct_fields__}
    words = {*TRIGGERS, *Event.__struct_fields__, *AnswerEvent.__struct_fields__, *sections}
    assert undocumented(words, "Scenarios") == set()


@pytest.mark.parametrize(("section", "kind"), PROVIDERS.items())
def test_everything_that_a_provider_adds_is_documented(section, kind):
    assert undocumented(named_events(kind), "Scenarios", section) == set()


@pytest.mark.parametrize("kind", [ApnsLedgerEntry, FcmLedgerEntry, WebPushLedgerEntry])
def test_every_field_of_a_ledger_is_documented(kind):
    names = {name for name in kind.__struct_fields__ if f'"{name}":' not in SECTIONS["The ledger"]}
    assert undocumented(names, "The ledger") == set()
