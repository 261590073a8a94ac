"""Sending many lines, as `pushmill send` does it, to a whole gateway."""

import pytest

from bench.simulators.apns import open_apns_simulator
from gateway.cli.sending import Sending, read_ndjson
from tests.support.gateway import device_tokens, open_shop


@pytest.mark.parametrize(("subscription", "unread"), [(None, 200), ("backoffice", 0)])
async def test_results_read_as_a_named_reader_are_forgotten(tmp_path, subscription, unread):
    lines = [f'{{"to": {{"apns": {{"token": "{token}"}}}}}}\n' for token in device_tokens(200)]
    async with open_apns_simulator() as simulator, open_shop(tmp_path, simulator) as shop:
        sending = Sending(
            shop.caller,
            {"app": "shop", "content": {"title": "Sale"}},
            batch_rows=100,
            subscription=subscription,
            on_fault=lambda place, detail: pytest.fail(f"{place}: {detail}"),
            on_result=lambda _: None,
        )
        await sending.run(read_ndjson(lines, "lines"), patience_seconds=10.0)
        assert sending.totals.is_all_taken
        await shop.caller.ping()
        assert shop.gateway.statistics().engine.unread_rows == unread
