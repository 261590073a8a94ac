"""Which addresses a name of an allowed host may resolve to."""

import tomllib
from pathlib import Path

import pytest

from protocol.providers.webpush import AddressPolicy

ADDRESSES = tomllib.loads((Path(__file__).parent / "data" / "webpush_addresses.toml").read_text())


@pytest.mark.parametrize("address", ADDRESSES["public"])
def test_public_addresses_are_allowed(address):
    assert AddressPolicy().allows(address)


@pytest.mark.parametrize("address", ADDRESSES["not_public"] + ADDRESSES["no_address"])
def test_nothing_else_is(address):
    assert not AddressPolicy().allows(address)


def test_a_setting_may_add_networks_and_adds_no_other():
    policy = AddressPolicy(["127.0.0.0/8", "fd00::/8"])
    assert policy.allows("127.0.0.1")
    assert policy.allows("fd12::1")
    for address in ("10.0.0.1", "::1", "::ffff:127.0.0.1", "64:ff9b::127.0.0.1", "fd12::1%eth0", "fc00::1"):
        assert not policy.allows(address)
