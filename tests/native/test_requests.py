"""What a batch or a header set refuses, and that it names the row and never shows a value."""

import pytest

from native import HeaderSet, Requests
from tests.support.sessions import make_requests


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"", b"v"),
        (b":path", b"/"),
        (b"Upper", b"v"),
        (b"with space", b"v"),
        (b"connection", b"close"),
        (b"host", b"example.com"),
        (b"transfer-encoding", b"chunked"),
        (b"name", b"new\nline"),
        (b"name", b"nul\0"),
        (b"name", b" padded"),
        (b"name", b"padded "),
    ],
)
def test_header_that_cannot_be_sent_is_refused(name: bytes, value: bytes) -> None:
    with pytest.raises(ValueError, match="can't be sent"):
        HeaderSet([(name, value, False)])
    with pytest.raises(ValueError, match="can't be sent"):
        Requests(paths=[b"/"], bodies=[b""], row_fields=[(name, [value])])


def test_header_set_keeps_its_fields() -> None:
    assert HeaderSet([(b"a", b"1", True), (b"b", b"", False)]).fields == ((b"a", b"1", True), (b"b", b"", False))
    with pytest.raises(TypeError):
        HeaderSet([("text", b"1", True)])  # type: ignore[list-item]


@pytest.mark.parametrize("path", [b"", b"relative", b"/with space", b"/line\n", b"/\xff\x00"])
def test_path_that_cannot_be_sent_is_refused_by_row(path: bytes) -> None:
    with pytest.raises(ValueError, match="row 1: the path"):
        Requests(paths=[b"/ok", path], bodies=[b"", b""])


def test_columns_must_fit_the_rows() -> None:
    paths = [b"/a", b"/b"]
    with pytest.raises(ValueError, match="1 bodies for 2 rows"):
        Requests(paths=paths, bodies=[b""])
    with pytest.raises(ValueError, match="body_of_row has 1 entries for 2 rows"):
        Requests(paths=paths, bodies=[b""], body_of_row=[0])
    with pytest.raises(ValueError, match="row 1: body_of_row 1 is not below 1"):
        Requests(paths=paths, bodies=[b""], body_of_row=[0, 1])
    with pytest.raises(ValueError, match="row 0: header_set_of_row -1"):
        Requests(paths=paths, bodies=[b"", b""], header_sets=[HeaderSet()], header_set_of_row=[-1, 0])
    with pytest.raises(ValueError, match="has 1 values for 2 rows"):
        Requests(paths=paths, bodies=[b"", b""], row_fields=[(b"name", [b"v"])])


def test_identifiers_must_fit_32_bits() -> None:
    with pytest.raises(ValueError, match="32 bits"):
        Requests(paths=[b"/", b"/"], bodies=[b"", b""], uuid_header=(b"apns-id", bytes(12), 2**32 - 1))
    with pytest.raises(ValueError, match="not 12"):
        Requests(paths=[b"/"], bodies=[b""], uuid_header=(b"apns-id", bytes(11), 0))
    with pytest.raises(ValueError, match="without a uuid_header"):
        Requests(paths=[b"/"], bodies=[b""], uuid_numbers=[1])


def test_block_that_would_not_fit_one_frame_is_refused_by_row() -> None:
    for size in (10_100, 10_300):
        arguments = {"paths": [b"/", b"/" + b"x" * size], "bodies": [b"", b""]}
        if size < 10_200:
            Requests(**arguments)  # type: ignore[arg-type]
            continue
        with pytest.raises(ValueError, match="row 1: path and headers may take"):
            Requests(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "arguments",
    [
        {"paths": ["/text"], "bodies": [b""]},
        {"paths": [b"/"], "bodies": ["text"]},
        {"paths": [b"/"], "bodies": [bytearray(b"x")]},
        {"paths": [b"/"], "bodies": [b""], "header_sets": [None]},
        {"paths": [b"/"], "bodies": [b""], "row_fields": [(b"name", ["text"])]},
    ],
)
def test_what_is_not_bytes_is_refused(arguments: dict[str, object]) -> None:
    with pytest.raises((TypeError, ValueError)):
        Requests(**arguments)  # type: ignore[arg-type]


def test_messages_never_show_a_value() -> None:
    secret = b"s3cret\n"
    for make in (
        lambda: HeaderSet([(b"authorization", secret, True)]),
        lambda: Requests(paths=[b"/" + secret], bodies=[b""]),
        lambda: Requests(paths=[b"/"], bodies=[b""], row_fields=[(b"name", [secret])]),
    ):
        with pytest.raises(ValueError, match="can't be sent|must start") as caught:
            make()
        assert "s3cret" not in str(caught.value)


def test_owner_is_the_callers() -> None:
    requests = make_requests(3)
    requests.owner = mine = object()
    assert (requests.owner, len(requests), requests.in_flight) == (mine, 3, 0)
