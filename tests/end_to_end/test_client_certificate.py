"""An app whose identity at APNs is a client certificate."""

import pytest

from bench.simulators.apns import ApnsSimulatorOptions, open_apns_simulator
from gateway.config import load_config
from tests.support.gateway import (
    Shop,
    alert_batch,
    apns_sections,
    device_tokens,
    open_caller,
    open_gateway,
    write_config,
)


@pytest.mark.parametrize("notification", [{}, {"apns": {"push_type": "voip"}}])
async def test_the_certificate_of_a_voip_service_brings_its_topic(tmp_path, notification):
    options = ApnsSimulatorOptions(client_certificate_topics=("com.example.shop.voip",))
    async with open_apns_simulator(options) as simulator:
        certificate = simulator.credentials.client_certificate
        identity = {
            "certificate_file": str(certificate.certificate_file),
            "certificate_key_file": str(certificate.key_file),
            "environment": "production",
        }
        path = write_config(tmp_path, None, **(apns_sections(simulator) | {"apps.shop.apns": identity}))
        async with open_gateway(load_config(path, {})) as (gateway, address), open_caller(address) as caller:
            shop = Shop(gateway, caller)
            await shop.send(alert_batch(device_tokens(10)) | {"defaults": notification})
            results = await shop.read_results(10)
    assert {result.outcome for result in results} == {"provider_accepted"}
    assert simulator.statistics().reasons == {}


async def test_an_app_with_a_client_certificate_sends_without_a_token(tmp_path):
    options = ApnsSimulatorOptions(client_certificate_topics=("com.example.shop",))
    async with open_apns_simulator(options) as simulator:
        certificate = simulator.credentials.client_certificate
        identity = {
            "certificate_file": str(certificate.certificate_file),
            "certificate_key_file": str(certificate.key_file),
            "topic": "com.example.shop",
            "environment": "production",
        }
        path = write_config(tmp_path, None, **(apns_sections(simulator) | {"apps.shop.apns": identity}))
        async with open_gateway(load_config(path, {})) as (gateway, address), open_caller(address) as caller:
            shop = Shop(gateway, caller)
            await shop.send(alert_batch(device_tokens(100)))
            results = await shop.read_results(100)
    assert {result.outcome for result in results} == {"provider_accepted"}
    assert simulator.statistics().reasons == {}
