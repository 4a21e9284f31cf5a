"""The daemon as the console sees it: `detector.console.monitor.Monitor`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, generate_latest

from alerts.dispatcher import Dispatcher
from config.errors import ControlError
from config.settings import Settings
from detector.console.cluster.view import ClusterView
from detector.console.monitor import CameraFigures, CameraView, Listener, Picture, Zones
from detector.daemon.health import Health
from detector.daemon.observability.cluster_file import ClusterFile
from detector.daemon.operators.changes import Changes
from detector.daemon.operators.cluster import cluster_view
from detector.daemon.operators.control import Commands
from detector.daemon.operators.zones import DrawnZones
from detector.daemon.watched.camera import WatchedCamera
from detector.daemon.watched.cameras import Cameras
from detector.journal.recorder import Recorder

if TYPE_CHECKING:  # loads SQLAlchemy
    from detector.journal.reading import JournalReader


@dataclass(frozen=True, slots=True)
class Parts:
    """What the daemon is made of, as far as the console shows it."""

    settings: Callable[[], Settings]
    journal: Callable[[], JournalReader]
    evidence: Path | None
    cameras: Cameras
    dispatcher: Dispatcher
    recorder: Recorder
    health: Health
    box: Callable[[], str | None]
    cluster: ClusterFile
    registry: CollectorRegistry
    commands: Commands
    changes: Changes
    drawn_zones: DrawnZones
    set_zones: Callable[[str, Zones | None, str], None]


class DaemonMonitor:
    """Reads what the daemon has at hand; nothing here waits for a camera or a sink."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.evidence = parts.evidence

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self._parts.settings()

    @property
    def journal(self) -> JournalReader:
        """What has happened."""
        return self._parts.journal()

    def cameras(self) -> list[CameraView]:
        """Those that are watched."""
        silences = self._parts.dispatcher.cameras.silences()
        return [_view(camera, silences) for camera in self._parts.cameras.all()]

    @property
    def in_cluster(self) -> bool:
        """Whether this box is one of several."""
        return self._parts.box() is not None

    def cluster(self) -> ClusterView | None:
        """As the coordinator has last told."""
        return cluster_view(self._parts.cluster.read())

    def picture(self, camera: str, max_side: int) -> Picture | None:
        """The newest there is."""
        return self._parts.cameras.by_name(camera).picture(max_side)

    def figures(self, camera: str) -> CameraFigures:
        """What its metrics say."""
        return self._parts.cameras.by_name(camera).figures()

    def zones(self, camera: str) -> Zones:
        """Those in force."""
        detection = self._parts.cameras.by_name(camera).camera.detection
        drawn = camera in self._parts.drawn_zones.names()
        return Zones(detection.watch, detection.ignore, drawn)

    def set_zones(self, camera: str, zones: Zones | None, by: str) -> None:
        """Have `camera` go by `zones` from now on; its incidents are closed."""
        self._parts.set_zones(camera, zones, by)
        found = (
            "the configuration's"
            if zones is None
            else f"{len(zones.watch)} to watch, {len(zones.ignore)} to ignore"
        )
        self._parts.recorder.audit(by, "zones", camera, found)

    def ask(self, command: str, by: str, **details: Any) -> dict[str, Any]:
        """Run a command of an operator."""
        try:
            run = self._parts.commands[command]
        except KeyError:
            raise ControlError(f"there is no command {command!r}") from None
        answer: dict[str, Any] = run({"command": command, "by": by, **details})
        return answer

    def audit(self, who: str, action: str, target: str = "", reason: str = "") -> str | None:
        """Keep who did what; why it is not durable, None: it is."""
        self._parts.recorder.audit(who, action, target, reason)
        return self._parts.dispatcher.stored()

    def awaiting(self) -> dict[str, dict[str, datetime]]:
        """By incident, the sinks that wait for the operator."""
        return {
            str(incident): {one.sink: one.until for one in waiting}
            for incident, waiting in self._parts.dispatcher.confirming.awaiting().items()
        }

    def health(self) -> dict[str, Any]:
        """The body of /healthz."""
        return dict(self._parts.health.status())

    def liveness(self) -> tuple[bool, list[str]]:
        """Whether it is alive."""
        return self._parts.health.liveness()

    def metrics(self) -> bytes:
        """The body of /metrics."""
        return generate_latest(self._parts.registry)

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Have `listener` called at every change."""
        return self._parts.changes.listen(listener)


def _view(watched: WatchedCamera, silences: dict[str | None, datetime]) -> CameraView:
    camera, status = watched.camera, watched.status()
    calibration = status["calibration"]
    pictured = watched.pictured()
    until = [end for name, end in silences.items() if name in {None, camera.name}]
    return CameraView(
        name=camera.name,
        site=camera.site,
        place=camera.location.text,
        state=status["state"],
        reason=status["reason"],
        since=datetime.fromisoformat(status["since"]),
        lost=status["lost"],
        scores=status["scores"],
        thresholds={label: one["open_threshold"] for label, one in calibration.items()},
        learnt_hours={label: one["hours"] for label, one in calibration.items()},
        open_incidents=tuple(status["open_incidents"]),
        silent_until=max(until, default=None),
        settings=camera,
        asleep=watched.asleep,
        box=watched.box,
        picture=pictured[0] if pictured else None,
        pictured_at=pictured[1] if pictured else None,
    )
