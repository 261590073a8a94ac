"""P2: whatever a disk may hold after the power went, the journal opens and has everything that was accepted."""

import pytest

from bench.faults.power_loss import NO_FLUSH, record_run, try_images

pytestmark = pytest.mark.long

IMAGES = 50
BATCHES = 120


async def test_every_image_opens_and_holds_what_was_accepted(tmp_path):
    trace = record_run(tmp_path, seed=1, batches=BATCHES)
    seen = await try_images(trace, tmp_path, images=IMAGES, seed=1)
    assert seen.writes > 100
    assert seen.flushes > 50
    assert seen.accepted_rows > 1000
    assert seen.failures == []


@pytest.mark.planted("P2", "no-flush")
async def test_an_engine_whose_flushes_do_nothing_is_found_out(tmp_path):
    trace = record_run(tmp_path, seed=1, batches=BATCHES, rules=[NO_FLUSH])
    seen = await try_images(trace, tmp_path, images=IMAGES // 5, seed=1)
    assert seen.flushes == 0
    assert any("accepted rows are lost" in failure for failure in seen.failures)
