"""Alerts into the daemon's log: the sink that needs nothing."""

from __future__ import annotations

from typing import ClassVar

import structlog
from pydantic import BaseModel

from alerts.message import Alert, AlertPhase
from config.settings import Section


class LogOptions(Section):
    """The log sink has no options of its own."""


class LogSink:
    """Writes each alert as one event, without its picture."""

    Options: ClassVar[type[BaseModel]] = LogOptions
    default_expiry_s: ClassVar[float | None] = None
    phases: ClassVar[frozenset[str]] = frozenset(AlertPhase)

    def __init__(self, name: str, _options: LogOptions) -> None:
        self._log = structlog.get_logger().bind(sink=name)

    def start(self) -> None:
        """Nothing to connect to."""

    def deliver(self, alert: Alert) -> None:
        """Log it; the log is its own acknowledgement."""
        fields = alert.model_dump(mode="json", exclude={"image", "schema_version"})
        self._log.warning("alert", **fields)

    def close(self) -> None:
        """Nothing to leave behind."""
