"""One batch for all three providers, over real TLS, HTTP/2 and HTTP/1.1 to strict simulators."""

import hashlib
from collections import Counter

import pytest

from bench.simulators.apns import open_apns_simulator
from bench.simulators.fcm import open_fcm_simulator
from bench.simulators.webpush import open_webpush_simulator
from protocol.outcomes import Outcome
from protocol.providers.webpush.content import render_content
from protocol.send import Content
from tests.support.gateway import device_tokens, fcm_sections, open_shop, webpush_sections

pytestmark = pytest.mark.long

SERVICES = ("mozilla", "fcm", "apple", "wns", "other")
CONTENT = {"title": "Sale", "body": "20 % off today", "link": "https://shop.example/sale"}


async def test_one_content_fans_out_to_ten_thousand_mixed_destinations(tmp_path):
    async with open_apns_simulator() as apns, open_fcm_simulator() as fcm, open_webpush_simulator() as webpush:
        sections = fcm_sections(fcm) | webpush_sections(webpush)
        tokens = device_tokens(4000)
        targets = [{"apns": {"token": token}} for token in tokens]
        targets += [{"fcm": {"token": f"registration-token-of-some-length:{number}"}} for number in range(4000)]
        for number in range(2000):
            line = webpush.make_subscription(SERVICES[number % 5], number)
            targets.append({"webpush": {**line["subscription"], "vapid_key": line["vapid_key"]}})
        mixed = [targets[at * 3 % 10_000] for at in range(10_000)]  # 3 and 10,000 share no factor: each once
        async with open_shop(tmp_path, apns, **sections) as shop:
            accepted = await shop.send({"app": "shop", "content": CONTENT, "targets": mixed})
            results = await shop.read_results(10_000)
    assert (accepted.accepted, accepted.rejected) == (10_000, [])
    assert Counter((result.provider, result.outcome) for result in results) == {
        ("apns", Outcome.PROVIDER_ACCEPTED.word): 4000,
        ("fcm", Outcome.PROVIDER_ACCEPTED.word): 4000,
        ("webpush", Outcome.PROVIDER_ACCEPTED.word): 2000,
    }
    assert sorted(result.index for result in results) == list(range(10_000))
    assert {entry.destination for entry in apns.ledger.entries} == set(tokens)
    assert len({entry.destination for entry in fcm.ledger.entries}) == 4000
    plaintext = render_content(Content(**CONTENT), None).data
    said = Counter((entry.body_sha256, entry.decryption) for entry in webpush.ledger.entries)
    assert said == {(hashlib.sha256(plaintext).hexdigest(), None): 2000}
