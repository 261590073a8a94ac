from typing import final

@final
class RequestHeaderDecoder:
    def decode(self, block: bytes) -> tuple[bytes, bytes]: ...
