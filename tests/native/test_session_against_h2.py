"""The session against h2 by random scripts: both ends must agree on every request and on how every row ended.

What must come of a stream is written down when the peer sends the event that ends it; what was handed over is read
off the frames.
"""

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from native import Exchange, Requests
from protocol.exchanges import Cause, Ending
from tests.support.http2_peer import DATA, END_STREAM, HEADERS, Peer, goaway_frame, split_frames
from tests.support.sessions import TOKEN, make_session, path_of

ROWS = 40
BODIES = [b"", b"x", b"y" * 100, b"z" * 4000, b"w" * 20000]

Step = tuple[str, int, int]
STEPS = st.one_of(
    st.tuples(st.just("submit"), st.integers(1, 12), st.just(0)),
    st.tuples(st.just("pull"), st.sampled_from([1, 50, 5000, 100_000]), st.integers(1, 6)),
    st.tuples(st.just("deliver"), st.sampled_from([1, 9, 70, 100_000]), st.just(0)),
    st.tuples(st.just("answer"), st.integers(0, 30), st.integers(0, 5)),
    st.tuples(st.just("reset"), st.integers(0, 30), st.sampled_from([0, 2, 7, 8])),
    st.tuples(st.just("limit"), st.sampled_from([0, 1, 3, 10, 1000]), st.just(0)),
    st.tuples(st.just("stream_window"), st.sampled_from([0, 1, 500, 65535, 1 << 20]), st.just(0)),
    st.tuples(st.just("open_windows"), st.integers(1, 30_000), st.just(0)),
    st.tuples(st.just("goaway"), st.integers(0, 40), st.just(0)),
    st.tuples(st.just("ping"), st.just(0), st.just(0)),
    st.tuples(st.just("peer_ping"), st.just(0), st.just(0)),
)


@dataclass
class Outcome:
    ending: Ending
    status: int = 0
    body: bytes = b""


@dataclass
class Play:
    """One script being played."""

    peer: Peer
    requests: Requests
    taken: int = 0
    on_the_way: bytes = b""
    due: dict[int, Outcome] = field(
        default_factory=dict
    )  # by stream id; resets other than REFUSED_STREAM depend on ``sent``
    sent: set[int] = field(default_factory=set)
    opened: list[int] = field(default_factory=list)
    last_id: int = 2**31 - 1
    ended: dict[int, Exchange] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.session = make_session()
        local = self.peer.connection.local_settings
        self.settings = {3: local[3], 4: local[4]}
        self.peer.acknowledges_bodies = False

    def step(self, step: Step) -> None:
        getattr(self, step[0])(*step[1:])
        self.on_the_way += self.peer.take()

    def submit(self, count: int, _: int) -> None:
        available = self.session.available
        taken = self.session.submit(self.requests, self.taken, min(ROWS, self.taken + count), 0.0)
        assert taken == min(count, available, ROWS - self.taken)
        self.taken += taken

    def pull(self, limit: int, times: int) -> None:
        for _ in range(times):
            data = self.session.pull(0.0, limit)
            for kind, flags, stream_id, _payload in split_frames(data):
                if kind == HEADERS:
                    self.opened.append(stream_id)
                if kind in (HEADERS, DATA) and flags & END_STREAM:
                    self.sent.add(stream_id)
            self.peer.receive(data)

    def deliver(self, size: int, _: int) -> None:
        while self.on_the_way:
            chunk, self.on_the_way = self.on_the_way[:size], self.on_the_way[size:]
            self.take(self.session.feed(chunk, 0.0))

    def take(self, exchanges: list[Exchange]) -> None:
        for exchange in exchanges:
            assert exchange.row not in self.ended
            self.ended[exchange.row] = exchange

    def choose(self, number: int) -> int | None:
        """Pick a stream whose end the peer has not decided yet."""
        streams = [
            stream_id for stream_id in self.peer.received if stream_id not in self.due and stream_id <= self.last_id
        ]
        return streams[number % len(streams)] if streams else None

    def answer(self, number: int, size: int) -> None:
        stream_id = self.choose(number)
        if stream_id is None:
            return
        status, body = (200, b"") if size == 0 else (400 + size, b"b" * (size - 1))
        self.peer.answer(stream_id, status, body, apns_id="x" * size)
        self.due[stream_id] = Outcome(Ending.ANSWERED, status, body)

    def reset(self, number: int, code: int) -> None:
        stream_id = self.choose(number)
        if stream_id is None:
            return
        self.peer.connection.reset_stream(stream_id, code)
        self.due[stream_id] = Outcome(Ending.UNPROCESSED if code == 7 else Ending.UNCERTAIN)

    def limit(self, limit: int, _: int) -> None:
        self.settings[3] = limit
        self.announce()

    def stream_window(self, size: int, _: int) -> None:
        self.settings[4] = size
        self.announce()

    def announce(self) -> None:
        """Send both settings each time: h2 takes an acknowledgement for the oldest change of every setting there is."""
        self.peer.connection.update_settings(self.settings)

    def open_windows(self, increment: int, _: int) -> None:
        self.peer.connection.increment_flow_control_window(increment)
        for stream_id, received in self.peer.received.items():
            if stream_id not in self.due and not received.is_whole:
                self.peer.connection.increment_flow_control_window(increment, stream_id)

    def goaway(self, number: int, _: int) -> None:
        self.last_id = min(self.last_id, 2 * number + 1)
        for stream_id in self.opened:
            if stream_id > self.last_id:
                self.due.setdefault(stream_id, Outcome(Ending.UNPROCESSED))
        self.on_the_way += self.peer.take() + goaway_frame(self.last_id)

    def ping(self, *_: int) -> None:
        self.session.ping(0.0)

    def peer_ping(self, *_: int) -> None:
        self.peer.connection.ping(b"01234567")

    def check(self) -> None:
        """Deliver what is on the way, cut the link, and compare every row with what was due."""
        self.deliver(100_000, 0)
        self.take(self.session.close(1.0))
        succeeded = {row for start, stop in self.requests.take_successes() for row in range(start, stop)}
        assert sorted(succeeded | set(self.ended)) == list(range(self.taken))
        assert not succeeded & set(self.ended)
        for row in range(self.taken):
            self.check_row(row, row in succeeded)

    def check_row(self, row: int, is_success: bool) -> None:
        stream_id = 2 * row + 1
        due = self.due.get(stream_id)
        if is_success:
            assert due == Outcome(Ending.ANSWERED, 200)
            return
        exchange = self.ended[row]
        if due is None:
            is_above = stream_id in self.opened and stream_id > self.last_id
            due = Outcome(Ending.UNPROCESSED if is_above else Ending.UNCERTAIN)
        if due.ending is Ending.UNCERTAIN and stream_id not in self.sent:
            due.ending = Ending.UNREACHABLE
        assert (exchange.ending, exchange.status, exchange.body) == (due.ending, due.status, due.body)
        assert (exchange.cause is Cause.NONE) == (exchange.ending is Ending.ANSWERED)

    def check_requests(self) -> None:
        """What the peer saw is what was described, in the order of the rows."""
        assert self.opened == [2 * row + 1 for row in range(len(self.opened))]
        for stream_id, received in self.peer.received.items():
            row = (stream_id - 1) // 2
            assert received.header(b":path") == path_of(row)
            assert received.header(b"authorization") == TOKEN
            body = BODIES[row % len(BODIES)]
            assert received.body == body if received.is_whole else body.startswith(received.body)


@settings(max_examples=250, deadline=None)
@given(
    limit=st.sampled_from([1, 5, 1000]), window=st.sampled_from([0, 100, 65535]), script=st.lists(STEPS, max_size=40)
)
def test_random_scripts_end_as_h2_says(limit: int, window: int, script: list[Step]) -> None:
    requests = Requests(
        paths=[path_of(row) for row in range(ROWS)],
        bodies=BODIES,
        body_of_row=[row % len(BODIES) for row in range(ROWS)],
        uuid_header=(b"apns-id", bytes(12), 0),
    )
    play = Play(Peer(stream_limit=limit, initial_window_size=window), requests)
    for step in [("pull", 65536, 3), ("deliver", 100_000, 0), ("submit", 12, 0), ("pull", 65536, 1), *script]:
        play.step(step)
    play.check()
    play.check_requests()
    assert requests.in_flight == 0
