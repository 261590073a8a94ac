"""What keeps a tunnel from being opened."""

from enum import Enum, auto


class Blame(Enum):
    """Whose fault it is, and so what waits until it is over."""

    PROXY = auto()  # it can't be reached: nothing can
    LOGIN = auto()  # it doesn't know us: nothing can be reached, and repeating it may get the login locked
    TARGET = auto()  # it answered for one target, or kept silent about it: the others may be reached


class ProxyError(Exception):
    """A proxy opened no tunnel; the message says why without the proxy's name, and holds nothing secret."""

    def __init__(self, detail: str, blame: Blame) -> None:
        super().__init__(detail)
        self.blame = blame
