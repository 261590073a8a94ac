"""P26, the settings' half: rows whose app, topic or project is gone or another are held, and none is lost."""

from functools import partial

import pytest
import trio
from structlog.testing import capture_logs

from bench.judging.defects import plant_in_engine
from bench.simulators.apns import open_apns_simulator
from bench.simulators.fcm import FcmSimulatorOptions, open_fcm_simulator
from gateway.app import Gateway
from gateway.caller import open_caller
from gateway.cli.config_files import find_owed_risks
from gateway.clock import SystemClock
from gateway.config import load_config
from gateway.delivery.lanes.withheld import FIRST_ALARM_SECONDS
from protocol.results import expand
from tests.support.gateway import alert_batch, apns_sections, device_tokens, fcm_sections, open_shop, write_config
from tests.support.patience import HANG_SECONDS

ROWS = 20
NOWHERE = "localhost:1"
BATCH = alert_batch(device_tokens(ROWS), batch_id="owed")


def move(sections, app, **changes):
    """Return APNs settings with the app under a name, and with other values."""
    apns = sections["apps.shop.apns"] | changes
    return {**{name: each for name, each in sections.items() if name != "apps.shop.apns"}, f"apps.{app}.apns": apns}


CHANGES = {
    "app": (lambda sections: move(sections, "store"), "apps.shop is not configured"),
    "topic": (
        lambda sections: move(sections, "shop", topic="com.example.other"),
        "apps.shop.apns.topic is com.example.other, and was com.example.shop",
    ),
    "team": (
        lambda sections: move(sections, "shop", team_id="OTHERTEAM1"),
        "apps.shop.apns.team_id is OTHERTEAM1, and was ",
    ),
}


async def leave_owed(folder, simulator):
    """Accept a batch, with no way to the provider."""
    sections = apns_sections(simulator)
    sections["apns"] |= {"production_address": NOWHERE}
    async with open_shop(folder, None, **sections) as shop:
        await shop.send(BATCH)


class Changed:
    """A gateway on the same journal with other settings."""

    def __init__(self, gateway, caller, log):
        self.gateway = gateway
        self.caller = caller
        self.log = log

    @property
    def owed(self):
        return self.gateway.statistics().engine.owed_rows

    def alarms(self):
        return [entry for entry in self.log if entry["event"] == "work_withheld"]


async def run_changed(folder, sections, check, **options):
    """Run it until ``check``, an async function of it, has returned; return that, and what check-config warns of."""
    config = load_config(write_config(folder, None, **sections), {})
    risks = [risk.detail for risk in find_owed_risks(config)]
    with capture_logs() as log, trio.fail_after(HANG_SECONDS):
        gateway = Gateway(config, clock=SystemClock(), **options)
        async with trio.open_nursery() as nursery:
            (address,) = await nursery.start(gateway.run)
            async with open_caller(str(address)) as caller:
                seen = await check(Changed(gateway, caller, log))
            nursery.cancel_scope.cancel()
    return seen, risks


async def watch_a_while(changed):
    await trio.sleep(FIRST_ALARM_SECONDS + 1.0)
    return changed.owed, changed.alarms()


@pytest.mark.parametrize("change", CHANGES)
async def test_rows_are_held_with_an_alarm_then_cancelled_or_sent_when_the_setting_is_back(tmp_path, change):
    async def hold_and_cancel(changed):
        seen = await watch_a_while(changed)
        count = await changed.caller.cancel("owed", indexes=[0, 1])
        return *seen, count.cancelled

    change_settings, missing = CHANGES[change]
    async with open_apns_simulator() as simulator:
        await leave_owed(tmp_path, simulator)
        sections = change_settings(apns_sections(simulator))
        (owed, alarms, cancelled), risks = await run_changed(tmp_path, sections, hold_and_cancel)
        assert (owed, simulator.statistics().requests) == (ROWS, 0)
        (alarm,) = alarms
        assert alarm["missing"].startswith(missing)
        assert alarm["rows"] == ROWS
        assert [risk for risk in risks if f"{ROWS} notifications" in risk and missing in risk]
        assert cancelled == 2
        async with open_shop(tmp_path, simulator) as shop:
            results = await shop.read_results(ROWS)
    assert sorted((result.index, result.outcome) for result in results) == [
        (index, "cancelled" if index < 2 else "provider_accepted") for index in range(ROWS)
    ]


async def test_tokens_of_a_replaced_project_never_reach_the_new_one(tmp_path):
    batch = {
        "app": "shop",
        "content": {"title": "Sale"},
        "targets": [{"fcm": {"token": f"token-of-the-old-one:{ROWS}"}}],
    }
    async with (
        open_fcm_simulator(FcmSimulatorOptions(project_id="old-1")) as old,
        open_fcm_simulator(FcmSimulatorOptions(project_id="new-1")) as new,
    ):
        nowhere = fcm_sections(old)
        nowhere["fcm"] |= {"address": NOWHERE}
        async with open_shop(tmp_path, None, **nowhere) as shop:
            await shop.send(batch)
        (owed, alarms), risks = await run_changed(tmp_path, fcm_sections(new), watch_a_while)
        assert owed == 1
        assert [alarm["missing"] for alarm in alarms] == ["apps.shop.fcm is for the project new-1, and was for old-1"]
        assert len(risks) == 1
        assert new.statistics().requests == 0
        async with open_shop(tmp_path, None, **fcm_sections(old)) as shop:
            assert [result.outcome for result in await shop.read_results(1)] == ["provider_accepted"]


async def test_what_is_held_expires_at_its_time(tmp_path):
    async def read_results(changed):
        page = await anext(await changed.caller.subscribe())
        return [result for block in page.blocks for result in expand(block)]

    async with open_apns_simulator() as simulator:
        sections = apns_sections(simulator)
        sections["apns"] |= {"production_address": NOWHERE}
        async with open_shop(tmp_path, None, **sections) as shop:
            await shop.send(BATCH | {"defaults": {"ttl": 3}})
        results, _ = await run_changed(tmp_path, move(apns_sections(simulator), "store"), read_results)
    assert {(result.outcome, result.attempts) for result in results} == {("expired", 0)}
    assert len(results) == ROWS


@pytest.mark.planted("P26", "forget-account")
async def test_a_gateway_that_forgets_who_rows_were_accepted_for_is_found_out(tmp_path, defect):
    async with open_apns_simulator() as simulator:
        await leave_owed(tmp_path, simulator)
        sections = CHANGES["topic"][0](apns_sections(simulator))
        options = {"wrap_engine": partial(plant_in_engine, defect)}
        (_, alarms), _ = await run_changed(tmp_path, sections, watch_a_while, **options)
        assert alarms == []
        assert simulator.statistics().requests > 0
