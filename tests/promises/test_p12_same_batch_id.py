"""P12: the same ``batch_id`` again, also at the same time and across a kill, is one set of sends with one answer."""

from collections import Counter

import pytest

from bench.faults.gateway_process import open_place, start_gateway
from bench.simulators.apns import open_apns_simulator
from gateway.caller import BatchRefusedError, open_caller
from tests.support.gateway import alert_batch, device_tokens

pytestmark = pytest.mark.long


def test_a_batch_that_is_sent_again_has_the_same_answer_and_is_not_sent_twice(kill_run):
    answers = Counter(batch_id for batch_id, _ in kill_run.history.answers)
    assert sum(count > 1 for count in answers.values()) > 10
    assert kill_run.findings.answered_otherwise == []
    assert kill_run.findings.repeated_without_kill == []


async def test_another_body_under_the_same_batch_id_is_refused_after_a_kill_too(tmp_path):
    async with open_apns_simulator() as simulator, open_place(tmp_path, simulator) as place:
        for life in range(2):
            async with start_gateway(place) as child, open_caller(place.address) as caller:
                first = await caller.send(alert_batch(device_tokens(5), batch_id="same"))
                assert (first.batch_id, first.accepted) == ("same", 5)
                with pytest.raises(BatchRefusedError) as refusal:
                    await caller.send(alert_batch(device_tokens(6), batch_id="same"))
                assert refusal.value.reason == "batch_conflict", life
                child.send_signal(9)
                await child.wait()


@pytest.mark.planted("P12", "forget-keys")
async def test_a_gateway_that_forgets_keys_is_found_out(run_planted, defect):
    run = await run_planted(defect, kills=1, after_requests=1_000)  # some 30 batches, of which a third is sent twice
    assert run.findings.repeated_without_kill != []
