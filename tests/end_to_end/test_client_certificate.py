"""An app whose identity at APNs is a client certificate."""

from bench.simulators.apns import ApnsSimulatorOptions, open_apns_simulator
from gateway.config import load_config
from tests.support.gateway import Shop, alert_batch, device_tokens, open_caller, open_gateway, write_config


async def test_an_app_with_a_client_certificate_sends_without_a_token(tmp_path):
    options = ApnsSimulatorOptions(client_certificate_topics=("com.example.shop",))
    async with open_apns_simulator(options) as simulator:
        path = write_config(tmp_path, simulator)
        certificate = simulator.credentials.client_certificate
        token_lines = ("team_id", "key_id", "key_file")
        kept = [line for line in path.read_text().splitlines() if not line.startswith(token_lines)]
        kept += [f'certificate_file = "{certificate.certificate_file}"']
        kept += [f'certificate_key_file = "{certificate.key_file}"']
        path.write_text("\n".join(kept))
        async with open_gateway(load_config(path, {})) as (gateway, address), open_caller(address) as caller:
            shop = Shop(gateway, caller)
            await shop.send(alert_batch(device_tokens(100)))
            results = await shop.read_results(100)
    assert {result.outcome for result in results} == {"provider_accepted"}
    assert simulator.statistics().reasons == {}
