"""Telling the supervisor (systemd, or whatever speaks sd_notify) how the process is: a datagram each time, no library.

Protocol: sd_notify(3). Without NOTIFY_SOCKET nobody listens and every call does nothing. A message that can't be sent
is dropped: the supervisor finds out by its own time-outs, and nothing here may stop the gateway.
"""

import os
import socket
from collections.abc import Mapping
from contextlib import suppress

import trio

_MICROSECONDS = 1_000_000


class Supervisor:
    """What the environment says of who started us. ``process_id`` is ours."""

    def __init__(self, environment: Mapping[str, str], process_id: int) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        # A name that begins with "@" is in the abstract namespace (unix(7)).
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._watchdog_seconds = _read_watchdog_seconds(environment, process_id)

    def __repr__(self) -> str:
        return f"<Supervisor {'listening' if self._address else 'none'}>"

    def tell_ready(self, status: str) -> None:
        """Tell that work is taken from now on."""
        self._send(READY="1", STATUS=status)

    def tell_stopping(self, status: str, within_seconds: float) -> None:
        """Tell that the end has begun, and ask for the time that it may take."""
        self._send(STOPPING="1", STATUS=status, EXTEND_TIMEOUT_USEC=str(int(within_seconds * _MICROSECONDS)))

    async def keep_watchdog(self) -> None:
        """Report as long as the loop turns, twice in each interval that the supervisor allows; return if it has none.

        Cancelled with the gateway; a loop that hangs reports nothing, which is the point.
        """
        while self._watchdog_seconds is not None:
            self._send(WATCHDOG="1")
            await trio.sleep(self._watchdog_seconds / 2)

    def _send(self, **fields: str) -> None:
        if not self._address:
            return
        message = "\n".join(f"{name}={value}" for name, value in fields.items()).encode()
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sender:
            sender.sendto(message, self._address)


def get_supervisor() -> Supervisor:
    """Return the supervisor of this process."""
    return Supervisor(os.environ, os.getpid())


def _read_watchdog_seconds(environment: Mapping[str, str], process_id: int) -> float | None:
    """Return how long the supervisor waits for a sign of life; None when it waits for none, or for another's."""
    text = environment.get("WATCHDOG_USEC", "")
    if not (text.isascii() and text.isdigit() and int(text)):
        return None
    if environment.get("WATCHDOG_PID", str(process_id)) != str(process_id):
        return None
    return int(text) / _MICROSECONDS
