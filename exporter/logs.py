"""Logging as Prometheus programs do it: one event a line on stderr, logfmt or JSON."""

from __future__ import annotations

import io
import logging
import sys
from contextlib import suppress
from typing import Final

import structlog

from exporter.text import one_line

LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "error": logging.ERROR,
}
FORMATS: Final = ("logfmt", "json")


class _Stderr(io.StringIO):
    """Writes to stderr as it is now. A full disk or a closed pipe there must not stop the daemon."""

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError, AttributeError):
            sys.stderr.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError, AttributeError):
            sys.stderr.flush()


def start_logging(level: str, form: str) -> None:
    """Set up logging for the whole process."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
            _fit_one_line,
            structlog.processors.JSONRenderer()
            if form == "json"
            else structlog.processors.LogfmtRenderer(key_order=["ts", "level", "event"]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(_Stderr()),
        cache_logger_on_first_use=False,
    )


def logger() -> structlog.typing.FilteringBoundLogger:
    """The program's logger."""
    made: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return made


def _fit_one_line(
    _logger: object, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Let no name from disk break a line or reach a terminal as an escape."""
    return {k: one_line(v, 1000) if isinstance(v, str) else v for k, v in event.items()}
