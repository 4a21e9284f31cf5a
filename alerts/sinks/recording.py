"""Alerts into a file, one JSON object a line: everything runs without a receiver."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel, Field

from alerts.message import Alert, AlertPhase
from alerts.schema import alert_json
from config.errors import DeliveryError
from config.settings import Section


class RecordingOptions(Section):
    """Which file; without one, alerts are acknowledged and nothing is kept of them."""

    path: Path | None = Field(default=None, description="appended to: one JSON object a line")
    image: bool = Field(default=False, description="with the picture")


class RecordingSink:
    """Appends each alert to the file."""

    Options: ClassVar[type[BaseModel]] = RecordingOptions
    default_expiry_s: ClassVar[float | None] = None
    phases: ClassVar[frozenset[str]] = frozenset(AlertPhase)

    def __init__(self, _name: str, options: RecordingOptions) -> None:
        self._options = options

    def start(self) -> None:
        """Nothing to connect to; the file is opened at each alert."""

    def deliver(self, alert: Alert) -> None:
        """Record it; raise DeliveryError where the file cannot be written."""
        if self._options.path is None:
            return
        try:
            with self._options.path.open("ab") as file:
                file.write(alert_json(alert, image=self._options.image) + b"\n")
        except OSError as error:
            raise DeliveryError(f"{self._options.path}: {error.strerror}") from error

    def close(self) -> None:
        """Nothing is open."""
