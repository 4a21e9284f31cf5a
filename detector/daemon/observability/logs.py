"""Logging: events with keys and values, to standard error, never with a secret in them."""

from __future__ import annotations

import json
import logging
import sys
import threading
from collections.abc import MutableMapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from config.secrets import scrub
from config.settings import LogSettings
from detector.daemon.observability.terminal import drop_details, terminal_line


class LogFile(Protocol):
    """Where the lines go: `LogWriter`."""

    def write(self, line: str) -> object:
        """Take one line, with its line break; raises nothing."""

    def flush(self) -> object:
        """Nothing is kept back."""

    def drop(self) -> None:
        """Count a line that could not be made."""


def for_people(settings: LogSettings) -> bool:
    """Whether the log is for people: `auto` means on a terminal; elsewhere every line is JSON."""
    on_terminal = sys.stderr is not None and sys.stderr.isatty()
    return settings.format == "console" or (settings.format == "auto" and on_terminal)


def configure_logging(settings: LogSettings, file: LogFile) -> None:
    """Send events, other libraries' records, warnings and dying threads to `file`.

    For people a short line an event in local time, else (journald, containers) one JSON object.
    No call of a logger raises: an event of which no line can be made is named as such.
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
        processors=[_Unfailing([*shared, *leave_out, *finish])],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: _LineLogger(file),
    )
    handler = _Handler(file)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *finish],
        )
    )
    logging.basicConfig(handlers=[handler], level=max(level, logging.WARNING), force=True)
    logging.captureWarnings(True)
    threading.excepthook = _log_dead_thread
    sys.unraisablehook = _log_unraisable


class _LineLogger:
    """What structlog hands finished lines to, whatever their level."""

    def __init__(self, file: LogFile) -> None:
        self._file = file

    def msg(self, line: str) -> None:
        self._file.write(f"{line}\n")

    debug = info = warning = error = critical = msg


class _Handler(logging.StreamHandler[Any]):
    """Counts what the standard library's logging cannot make a line of."""

    def handleError(self, _record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        self.stream.drop()


class _Unfailing:
    """Runs `processors`; an event that one of them fails at becomes a line that says so."""

    def __init__(self, processors: Sequence[Processor]) -> None:
        self._processors = processors

    def __call__(self, logger: WrappedLogger, name: str, event: MutableMapping[str, Any]) -> Any:
        what = event.get("event")
        try:
            found: Any = event
            for processor in self._processors:
                found = processor(logger, name, found)
        except structlog.DropEvent:
            raise
        except Exception as error:  # noqa: BLE001 - a line is never worth a thread
            kind = type(error).__name__
            now = datetime.now(UTC).isoformat()
            line = {"event": "log event cannot be shown", "level": name, "error": kind}
            line |= {"timestamp": now, "of": scrub(what) if isinstance(what, str) else ""}
            return json.dumps(line)
        return found


def _log_dead_thread(end: threading.ExceptHookArgs) -> None:
    """Python's own hook would print the traceback as it is, a camera's URL perhaps in it."""
    exc_info = (end.exc_type, end.exc_value, end.exc_traceback)
    name = end.thread.name if end.thread else "unknown"
    structlog.get_logger().error("thread died", thread=name, exc_info=exc_info)


def _log_unraisable(failed: Any) -> None:
    """Python's own hook would write to standard error itself, and wait for it."""
    exc_info = (failed.exc_type, failed.exc_value, failed.exc_traceback)
    structlog.get_logger().error("error that nobody could catch", exc_info=exc_info)


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
