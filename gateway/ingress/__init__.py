"""The socket door: from a caller's bytes to accepted batches, and results back to those who subscribed."""

from gateway.ingress.admission import AdmissionStatistics
from gateway.ingress.door import DoorStatistics, SocketDoor
from gateway.ingress.listener import ListenError

__all__ = ["AdmissionStatistics", "DoorStatistics", "ListenError", "SocketDoor"]
