"""What a disk may hold after the power went, on traces written by hand."""

import random

import pytest

from bench.faults.disk import Disk
from bench.faults.trace import ALLOCATE, CREATE, FOLDER, RENAME, SYNC, TRUNCATE, UNLINK, WRITE, Event

DICE = random.Random(1)


def event(kind, name, offset=0, data=b"", error=0):
    return Event(kind, name, offset, data, error, 0.0)


@pytest.fixture
def hold(tmp_path):
    """Return what plays a trace and returns the files, when such a share of what was not flushed is on the disk."""

    def play(*events, share, sector_bytes=512):
        disk = Disk()
        for each in events:
            disk.play(each)
        image = tmp_path / f"image-{len(list(tmp_path.iterdir()))}"
        disk.write_image(image, DICE, lambda dice: dice.random() < share, sector_bytes)
        return {path.name: path.read_bytes() for path in image.iterdir()}

    return play


NAMED = (event(CREATE, "a"), event(SYNC, FOLDER))


def test_what_was_flushed_stands_whatever_came_after(hold):
    trace = [*NAMED, event(WRITE, "a", 0, b"old"), event(SYNC, "a"), event(WRITE, "a", 0, b"new")]
    assert hold(*trace, share=0.0) == {"a": b"old"}
    assert hold(*trace, share=1.0) == {"a": b"new"}


def test_a_file_without_a_name_is_gone_though_its_bytes_were_flushed(hold):
    trace = [event(CREATE, "a"), event(WRITE, "a", 0, b"x"), event(SYNC, "a")]
    assert hold(*trace, share=0.0) == {}
    assert hold(*trace, event(SYNC, FOLDER), share=0.0) == {"a": b"x"}


def test_a_rename_is_kept_or_not_and_never_half(hold):
    flushed = [*NAMED, event(WRITE, "a", 0, b"x"), event(SYNC, "a")]
    seen = [hold(*flushed, event(RENAME, "a", data=b"b"), share=0.5) for _ in range(20)]
    assert {frozenset(image.items()) for image in seen} == {frozenset({("a", b"x")}), frozenset({("b", b"x")})}


def test_a_removed_file_may_be_back(hold):
    trace = [*NAMED, event(WRITE, "a", 0, b"x"), event(SYNC, "a"), event(UNLINK, "a")]
    assert hold(*trace, share=0.0) == {"a": b"x"}
    assert hold(*trace, share=1.0) == {}


def test_a_write_is_torn_at_sectors_and_nowhere_else(hold):
    trace = [*NAMED, event(WRITE, "a", 0, b"o" * 2048), event(SYNC, "a"), event(WRITE, "a", 0, b"n" * 2048)]
    for _ in range(20):
        content = hold(*trace, share=0.5)["a"]
        assert len(content) == 2048
        assert all(len(set(content[at : at + 512])) == 1 for at in range(0, 2048, 512))


def test_an_older_write_of_a_sector_may_stand_when_a_newer_one_is_lost(hold):
    writes = [event(WRITE, "a", 0, letter) for letter in (b"1", b"2")]
    seen = {hold(*NAMED, *writes, share=0.5).get("a") for _ in range(60)}
    assert seen == {b"", b"1", b"2"}


def test_lengths_are_lost_like_writes(hold):
    trace = [*NAMED, event(WRITE, "a", 0, b"abc"), event(SYNC, "a"), event(TRUNCATE, "a", 1), event(ALLOCATE, "a", 5)]
    assert hold(*trace, share=0.0) == {"a": b"abc"}
    assert hold(*trace, share=1.0) == {"a": b"a\0\0\0\0"}


def test_what_a_failed_flush_did_not_write_no_later_flush_writes(hold):
    failed = event(SYNC, "a", error=5)
    trace = [*NAMED, event(WRITE, "a", 0, b"abc"), failed, event(WRITE, "a", 3, b"d"), event(SYNC, "a")]
    assert hold(*trace, share=1.0) == {"a": b"\0\0\0d"}


def test_a_call_that_failed_did_nothing(hold):
    assert hold(*NAMED, event(WRITE, "a", 0, b"abc", error=28), share=1.0) == {"a": b""}
