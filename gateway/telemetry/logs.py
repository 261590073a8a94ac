"""Structured logs: one event a line, JSON for machines or aligned words for people."""

import logging
import sys

import orjson
import structlog
from structlog.typing import Processor


def configure_logs(level: str, format_: str) -> None:
    """Set up logging for the process, to standard error. ``format_`` is ``json`` or ``console``."""
    renderer: Processor = (
        structlog.processors.JSONRenderer(serializer=_to_json)
        if format_ == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=24)
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            # Tracebacks without local variables: payloads, tokens and keys live in those.
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def _to_json(event: object, **_: object) -> str:
    return orjson.dumps(event, default=str).decode()
