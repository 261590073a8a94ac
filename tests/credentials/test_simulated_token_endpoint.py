"""Access tokens from the FCM simulator, which checks assertions as Google does and speaks HTTP/2."""

import time

import pytest
import trio

from bench.simulators.fcm import open_fcm_simulator
from gateway.clock import SystemClock
from gateway.config import AppSettings, Config, FcmAppSettings, FcmSettings
from gateway.delivery.credentials import load_credentials
from gateway.errors import CredentialUnavailableError
from tests.support.clocks import HandClock


def load_credential(simulator, clock):
    config = Config(
        fcm=FcmSettings(token_uri=simulator.token_uri, ca_file=str(simulator.ca_file)),
        apps={"shop": AppSettings(fcm=FcmAppSettings(service_account_file=str(simulator.account.file)))},
    )
    return load_credentials(config, clock).fcm["shop"]


async def test_the_strict_endpoint_takes_the_assertion_and_is_asked_once():
    async with open_fcm_simulator() as simulator:
        credential = load_credential(simulator, SystemClock())
        got = []

        async def acquire():
            got.append(await credential.acquire())

        async with trio.open_nursery() as nursery:
            for _ in range(1000):
                nursery.start_soon(acquire)
        assert len(got) == 1000
        assert len(set(got)) == 1
        assert got[0].startswith(b"Bearer ")
        assert simulator.exchanges == 1


async def test_a_machine_with_a_wrong_clock_is_told_so():
    async with open_fcm_simulator() as simulator:
        credential = load_credential(simulator, HandClock(time.time() - 2 * 3600))
        with pytest.raises(CredentialUnavailableError, match=r"invalid_grant: .* clock is wrong") as raised:
            await credential.acquire()
        assert not raised.value.can_retry
