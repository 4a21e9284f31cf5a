"""Logging: events with keys and values, to standard error, never with a secret in them."""

from __future__ import annotations

import logging
import sys
import threading
from typing import Any

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from config.secrets import scrub
from config.settings import LogSettings
from detector.daemon.observability.terminal import drop_details, terminal_line


def for_people(settings: LogSettings) -> bool:
    """Whether the log is for people: `auto` means on a terminal; elsewhere every line is JSON."""
    return settings.format == "console" or (settings.format == "auto" and sys.stderr.isatty())


def configure_logging(settings: LogSettings) -> None:
    """Send events, other libraries' records, warnings and dying threads to standard error.

    For people a short line an event in local time, else (journald, containers) one JSON object.
    """
    people_read = for_people(settings)
    time_format = "%H:%M:%S" if people_read else "iso"
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt=time_format, utc=not people_read),
    ]
    finish: list[Processor] = [structlog.processors.format_exc_info, _scrub_values]
    if people_read:
        finish.append(terminal_line)
    else:
        finish.append(structlog.processors.JSONRenderer(ensure_ascii=False))
    leave_out = [drop_details] if people_read and settings.level != "debug" else []
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    structlog.configure(
        processors=[*shared, *leave_out, *finish],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *finish],
        )
    )
    logging.basicConfig(handlers=[handler], level=max(level, logging.WARNING), force=True)
    logging.captureWarnings(True)
    threading.excepthook = _log_dead_thread


def _log_dead_thread(end: threading.ExceptHookArgs) -> None:
    """Python's own hook would print the traceback as it is, a camera's URL perhaps in it."""
    exc_info = (end.exc_type, end.exc_value, end.exc_traceback)
    name = end.thread.name if end.thread else "unknown"
    structlog.get_logger().error("thread died", thread=name, exc_info=exc_info)


def _scrub_values(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    return {key: _scrubbed(value) for key, value in event.items()}


def _scrubbed(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, list | tuple):
        return [_scrubbed(item) for item in value]
    if isinstance(value, dict):
        return {key: _scrubbed(item) for key, item in value.items()}
    if isinstance(value, bytes):  # whose own str() escapes what scrub looks for
        value = value.decode(errors="backslashreplace")
    return scrub(str(value))
