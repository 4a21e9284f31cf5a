"""A daemon as the console sees it, without one: what it says is what a test has put here."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest

from config.settings import Settings
from detector.console.monitor import CameraView, Listener, Picture, Zones
from detector.daemon.observability.metrics import DetectorMetrics
from detector.journal.reading import JournalReader


class SmallMonitor:
    """A `Monitor` over a journal of its own in `folder`."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.settings = settings
        self.journal = JournalReader(folder / "journal.sqlite", lambda *_: [])
        self.evidence: Path | None = folder / "evidence"
        self.in_cluster = False
        self.live = True
        self.threads: list[str] = []
        self.found_health: dict[str, Any] = {"live": True, "status": "ok", "reasons": []}
        self.audited: list[tuple[str, str, str, str]] = []
        self.asked: list[tuple[str, str, dict[str, Any]]] = []
        self.registry = CollectorRegistry()
        DetectorMetrics(self.registry).add_camera("gate", "harbour", ["violence"])

    def cameras(self) -> list[CameraView]:
        """None."""
        return []

    def picture(self, camera: str, max_side: int) -> Picture | None:
        """None."""
        return None

    def zones(self, camera: str) -> Zones:
        """Everywhere."""
        return Zones()

    def set_zones(self, camera: str, zones: Zones | None, by: str) -> None:
        """Note who did."""
        self.asked.append(("set_zones", by, {"camera": camera}))

    def ask(self, command: str, by: str, **details: Any) -> dict[str, Any]:
        """Note it."""
        self.asked.append((command, by, details))
        return {}

    def audit(self, who: str, action: str, target: str = "", reason: str = "") -> str | None:
        """Note it."""
        self.audited.append((who, action, target, reason))
        return None

    def awaiting(self) -> dict[str, dict[str, datetime]]:
        """None."""
        return {}

    def health(self) -> dict[str, Any]:
        """What was put here."""
        return dict(self.found_health)

    def liveness(self) -> tuple[bool, list[str]]:
        """What was put here."""
        return self.live, self.threads

    def metrics(self) -> bytes:
        """Of a camera."""
        return generate_latest(self.registry)

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Nothing changes."""
        return lambda: None
