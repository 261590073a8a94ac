from typing import final

@final
class Streams:
    """The records of one session and their queues: for other native modules."""
