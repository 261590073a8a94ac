"""The kinds of values that settings have, each with its bounds and with the words that tell them to people."""

from typing import Annotated

from msgspec import Meta

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB

Count = Annotated[int, Meta(ge=1, le=1_000_000_000, description="a whole number from 1 to 1000000000")]
SessionCount = Annotated[int, Meta(ge=1, le=1000, description="a whole number from 1 to 1000")]
StreamCount = Annotated[int, Meta(ge=1, le=100_000, description="a whole number from 1 to 100000")]
ByteCount = Annotated[int, Meta(ge=1024, le=1 << 40, description="a number of bytes from 1024 to 1099511627776")]
Seconds = Annotated[float, Meta(gt=0, le=86_400, description="seconds, above 0 and at most 86400")]
KeptSeconds = Annotated[float, Meta(gt=0, le=90 * 86_400, description="seconds, above 0 and at most 7776000 (90 days)")]
# A secret in place of its file's path is told here, where no value is ever shown: PEM, JSON, or a key of 32 raw bytes.
FilePath = Annotated[
    str,
    Meta(
        pattern=r"\A(?!.*-----BEGIN|\s*['\"]?\{|[A-Za-z0-9_-]{43}=?\Z)[^\n\0]{1,4096}\Z",
        description="the path of a file (its name, not what is in it)",
    ),
]
FolderPath = Annotated[str, Meta(pattern=r"\A[^\n\0]{1,4096}\Z", description="the path of a folder")]
