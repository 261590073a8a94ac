"""h2 as the simulators need it: strict about what arrives, and able to say goodbye slowly.

Three things differ from h2's own manners:

- It counts open streams by walking all of them at each HEADERS, and answers a violated limit with a bare GOAWAY that
  loses the events of the same read. `connection` counts and answers itself.
- GOAWAY, in either direction, ends its state machine, though streams at or below last-stream-id go on (RFC 9113 section
  6.8). So our frames are serialised here, and the client's changes nothing.
- The first SETTINGS are the scenario's.
"""

from h2.config import H2Configuration
from h2.connection import ConnectionInputs, H2Connection, H2ConnectionStateMachine
from h2.events import Event
from h2.settings import SettingCodes
from h2.settings import Settings as H2Settings
from hyperframe.frame import GoAwayFrame

from bench.simulators.server.scenario import Settings

HIGHEST_STREAM_ID = 2**31 - 1

# Closed streams are forgotten in one walk whenever this many more have piled up.
_FORGET_EVERY = 512

_CONFIGURATION = H2Configuration(
    client_side=False,
    header_encoding=None,
    # What we send is ours and right; only what arrives is checked.
    validate_outbound_headers=False,
    normalize_outbound_headers=False,
)


class _LastingStateMachine(H2ConnectionStateMachine):
    """Stays open after the client's GOAWAY: the client opens no more streams, and still wants its answers."""

    def process_input(self, input_: ConnectionInputs) -> list[Event]:
        """Take one input of the connection."""
        return [] if input_ is ConnectionInputs.RECV_GOAWAY else super().process_input(input_)


class ServerConnection(H2Connection):
    """The server's side of one HTTP/2 connection."""

    def __init__(self, settings: Settings, stream_limit: int) -> None:
        super().__init__(_CONFIGURATION)
        self.state_machine = _LastingStateMachine()
        self._forget_at = _FORGET_EVERY
        self.local_settings = H2Settings(
            client=False,
            initial_values={
                SettingCodes.HEADER_TABLE_SIZE: settings.header_table_bytes,
                SettingCodes.MAX_CONCURRENT_STREAMS: stream_limit,
                SettingCodes.INITIAL_WINDOW_SIZE: settings.initial_window_bytes,
                SettingCodes.MAX_FRAME_SIZE: settings.largest_frame_bytes,
                SettingCodes.MAX_HEADER_LIST_SIZE: settings.header_list_bytes,
            },
        )
        self.max_inbound_frame_size = settings.largest_frame_bytes
        self.decoder.max_header_list_size = settings.header_list_bytes
        self.decoder.max_allowed_table_size = settings.header_table_bytes

    @property
    def open_inbound_streams(self) -> int:
        """None, as far as h2's own limit goes; closed streams are forgotten on the way."""
        if len(self.streams) >= self._forget_at:
            self._forget_at = _FORGET_EVERY + super().open_inbound_streams
        return 0

    def announce_stream_limit(self, limit: int) -> None:
        """Queue a SETTINGS frame with a new limit."""
        self.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: limit})

    def is_open(self, stream_id: int) -> bool:
        """Whether the stream can still carry an answer."""
        stream = self.streams.get(stream_id)
        return stream is not None and not stream.closed


def build_goaway(*, last_stream_id: int, code: int, debug_data: bytes) -> bytes:
    """Return a GOAWAY frame."""
    return GoAwayFrame(0, last_stream_id=last_stream_id, error_code=code, additional_data=debug_data).serialize()
