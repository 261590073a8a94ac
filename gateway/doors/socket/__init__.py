"""The socket door: from a caller's bytes to accepted batches, and results back to those who subscribed."""

from gateway.doors.socket.door import DoorStatistics, SocketDoor
from gateway.doors.socket.listener import ListenError
from gateway.intake.admission import AdmissionStatistics

__all__ = ["AdmissionStatistics", "DoorStatistics", "ListenError", "SocketDoor"]
