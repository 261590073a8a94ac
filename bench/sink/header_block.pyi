from typing import final

@final
class RequestHeaderDecoder:
    """Reads ``:path`` and ``apns-id`` of header blocks (HPACK); one a connection, blocks in the order they came."""
    def decode(self, block: bytes) -> tuple[bytes, bytes]:
        """Return path and apns-id of one header block, b"" for a missing one. ValueError is a COMPRESSION_ERROR."""
