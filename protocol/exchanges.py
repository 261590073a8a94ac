"""How one HTTP/2 exchange ended, as the native session reports it; providers' words are not read here.

The line between UNREACHABLE and UNCERTAIN is the END_STREAM flag: once it stood in a buffer handed to the
socket, the provider may have acted (design: states, loss of the link).
"""

from enum import IntEnum


class Ending(IntEnum):
    """How certain the session is about what the provider saw of a request."""

    ANSWERED = 1  # a whole response arrived
    UNPROCESSED = 2  # REFUSED_STREAM, or above a GOAWAY's last stream id: certainly not processed
    UNREACHABLE = 3  # END_STREAM was never handed to the socket
    UNCERTAIN = 4  # END_STREAM was handed over and no whole answer came


class Cause(IntEnum):
    """What ended an exchange that was not answered, or not wholly."""

    NONE = 0
    REFUSED_STREAM = 1
    GOAWAY = 2
    RESET = 3  # RST_STREAM with another code than REFUSED_STREAM
    TIMEOUT = 4  # the stream's deadline passed; the session reset it
    LINK_LOST = 5
    RESPONSE_TOO_LARGE = 6  # headers or body over the session's caps: reset; ANSWERED where its status had come
    MALFORMED_RESPONSE = 7
    EXPIRED = 8  # the notification, while it waited for its stream
