"""Where callers connect, and how much they may send and leave unread."""

from collections.abc import Iterator

from gateway.config.addresses import TcpAddress, UnixAddress, parse_listen_address
from gateway.config.sections.kinds import GIB, MIB, ByteCount, Count, FilePath, KeptSeconds, Seconds
from gateway.config.sections.section import Contradiction, Section


class ListenSettings(Section, frozen=True, kw_only=True):
    """Where callers connect."""

    # Without a port open to others a fresh install is reachable by this machine's users alone.
    socket: tuple[str, ...] = ("unix:/run/pushmill/gateway.sock",)
    tls_certificate_file: FilePath | None = None
    tls_key_file: FilePath | None = None

    @property
    def addresses(self) -> tuple[UnixAddress | TcpAddress, ...]:
        """The socket addresses, parsed."""
        return tuple(parse_listen_address(text) for text in self.socket)

    def find_contradictions(self) -> Iterator[Contradiction]:
        """See :class:`Section`."""
        if not self.socket:
            yield ("socket",), "name at least one address, as in unix:/run/pushmill/gateway.sock"
        if (self.tls_certificate_file is None) != (self.tls_key_file is None):
            yield ("tls_certificate_file", "tls_key_file"), "set both or neither"
        for text in self.socket:
            try:
                address = parse_listen_address(text)
            except ValueError as error:
                yield ("socket",), f"{text}: {error}"
                continue
            if isinstance(address, TcpAddress) and not address.is_loopback and self.tls_certificate_file is None:
                detail = f"{text}: set tls_certificate_file and tls_key_file; without TLS only loopback is allowed"
                yield ("socket", "tls_certificate_file"), detail


class LimitSettings(Section, frozen=True, kw_only=True):
    """Bounds on what callers may send and leave unread."""

    # A batch is checked and rendered in slices, so its size costs memory, not a stalled loop: 10,000 is some 5 MB.
    batch_notifications: Count = 10_000
    # 10,000 notifications of 800 bytes; a batch of larger ones is split by its caller.
    batch_bytes: ByteCount = 8 * MIB
    # At 45-70 bytes a queued notification of a shared payload two million stay under 150 MB.
    queued_notifications: Count = 2_000_000
    queued_bytes: ByteCount = 512 * MIB
    # Per principal: a caller that never reads its results is refused before it fills the memory of the others.
    unread_results: Count = 1_000_000
    # The same in stored bytes: a quarter of the journal, so that one principal alone does not fill it.
    results_kept_bytes: ByteCount = 1 * GIB
    # A week outlives a long weekend of the reader's. Unread results are kept beyond it, but their owner sends nothing.
    results_kept_seconds: KeptSeconds = 7 * 86_400.0
    connections: Count = 256
    # At 1 to 3 ms of CPU each, with TLS: a part of one core, and all 256 callers are back 3 s after a restart.
    connections_per_second: Count = 100
    # Two largest batches: one is being answered while the next is on its way.
    connection_credit_notifications: Count = 20_000
    connection_credit_bytes: ByteCount = 16 * MIB
    # Frames half received and answers not taken, of all connections: beyond 64 KiB of each they cost their sender
    # nothing. Eight of the largest batches on their way at a time.
    connection_buffer_bytes: ByteCount = 64 * MIB
    # A whole batch of 8 MiB at 2.2 Mbit/s. Slower senders hold a connection, which is what a slow-read attack wants.
    frame_timeout_seconds: Seconds = 30.0
    # 64 KiB in a minute is what anybody takes who reads at all; a caller that works on results reads on meanwhile.
    unread_timeout_seconds: Seconds = 60.0
    # Under pressure a batch waits this long for room before it is refused: shorter than callers' usual timeouts.
    admission_wait_seconds: Seconds = 30.0

    def find_contradictions(self) -> Iterator[Contradiction]:
        """See :class:`Section`. One largest batch must fit into each larger bound, else it could never be sent."""
        for smaller, larger in (
            ("batch_notifications", "connection_credit_notifications"),
            ("batch_notifications", "queued_notifications"),
            ("batch_notifications", "unread_results"),
            ("batch_bytes", "connection_credit_bytes"),
            ("batch_bytes", "queued_bytes"),
            ("batch_bytes", "connection_buffer_bytes"),
        ):
            if getattr(self, smaller) > getattr(self, larger):
                yield (larger, smaller), f"must be at least limits.{smaller}, or the largest batch never fits"
