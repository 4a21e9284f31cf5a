"""The running daemon in an answer: what it is, where it is to be had, and how it is doing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from importlib.metadata import version
from typing import Any

from config.settings import Settings
from detector.console.server import ConsoleServer
from detector.daemon.health import Health
from detector.daemon.operators.zones import DrawnZones
from detector.daemon.stages import open_thresholds
from detector.daemon.watched.cameras import Cameras
from detector.inference.second_look.worker import SecondLookWorker
from detector.inference.weights import Classifier


class DaemonStatus:
    """For `jikimi status`, for the summary at the start, and for who asks every moment."""

    def __init__(
        self,
        started_at: datetime,
        settings: Callable[[], Settings],
        health: Health,
        cameras: Cameras,
        classifier: Classifier,
        second_look: SecondLookWorker | None,
        zones: DrawnZones,
        http: ConsoleServer,
    ) -> None:
        """`settings`: those in force."""
        self._started_at = started_at
        self._settings = settings
        self._health = health
        self._cameras = cameras
        self._classifier = classifier
        self._second_look = second_look
        self._zones = zones
        self._http = http

    def full(self) -> dict[str, Any]:
        """Everything `jikimi status` shows: `health.HealthStatus`, and what runs where."""
        sidecar = self._classifier.sidecar
        return {
            **self._health.status(),
            "version": version("jikimi"),
            "started_at": self._started_at.isoformat(timespec="seconds"),
            "url": self._http.url,
            "page": "" if self._http.is_closed else f"{self._http.url}/",
            "state_dir": str(self._settings().state_dir),
            "model": {
                "name": sidecar.name,
                "engine": self._classifier.engine.name,
                "labels": sidecar.labels,
                "open_thresholds": open_thresholds(self._classifier, self._second_look),
            },
            "drawn_zones": self._zones.names(),
        }

    def states(self) -> dict[str, Any]:
        """By camera its state, and `url`: for who asks often, at a fraction of `full`."""
        cameras = {camera.camera.name: camera.state.value for camera in self._cameras.all()}
        return {"cameras": cameras, "url": self._http.url}
