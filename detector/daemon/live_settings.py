"""What the daemon goes by: the configuration as it was read last, under the zones that were drawn.

Taken over while it runs: at a reload, and as soon as somebody draws.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from structlog import get_logger

from alerts.deadline import LEAVE_S, Deadline
from alerts.dispatcher import Dispatcher
from config.errors import ConfigError, ControlError
from config.secrets import scrub
from config.settings import CameraSettings, Settings
from detector.console.monitor import Zones
from detector.daemon.calibration_store import CalibrationStore
from detector.daemon.handover.turns import Turns
from detector.daemon.operators.zones import DrawnZones
from detector.daemon.watched.cameras import Cameras

FIXED = ("state_dir", "weights", "engine", "serve_url", "evidence", "journal", "log")
"""What only a start takes over."""

log = get_logger()


class LiveSettings:
    """The settings in force, and the cameras and sinks that follow them."""

    def __init__(
        self,
        stated: Settings,
        read_again: Callable[[], Settings],
        zones: DrawnZones,
        cameras: Cameras,
        dispatcher: Dispatcher,
        turns: Turns,
        calibrations: CalibrationStore,
        *,
        on_stopped: Callable[[CameraSettings], None],
        on_changed: Callable[[], None],
    ) -> None:
        """`on_stopped` hears of each camera that leaves; `on_changed` starts what others need."""
        self._stated = stated
        self._read_again = read_again
        self._zones = zones
        self._cameras = cameras
        self._dispatcher = dispatcher
        self._turns = turns
        self._calibrations = calibrations
        self._on_stopped = on_stopped
        self._on_changed = on_changed
        self._changing = threading.Lock()
        self._ending = False
        self.now = zones.laid_over(stated)
        """As they are in force; another object after each change."""

    def begin(self) -> None:
        """Watch the cameras."""
        names = [camera.name for camera in self._stated.cameras]
        self._turns.begin(names, self._calibrations)
        self.now = self._zones.laid_over(self._stated)  # those of another box have come
        for camera in self.now.cameras:
            self._cameras.add(camera)
        self._turns.succeed(names)

    def request_stop(self) -> None:
        """Take over nothing that is drawn from here on."""
        self._ending = True

    def reload(self) -> None:
        """Take over changed settings; a wrong file changes nothing."""
        try:
            stated = self._read_again()
        except ConfigError as error:
            log.warning("reload refused, everything stays as it was", error=scrub(str(error)))
            return
        changed = [key for key in FIXED if getattr(stated, key) != getattr(self.now, key)]
        if _listening(stated) != _listening(self.now):
            changed.append("http")
        if changed:
            log.warning("these settings take effect at the next start", keys=changed)
        with self._changing:
            self._zones.read()
            self._turns.begin([camera.name for camera in stated.cameras], self._calibrations)
            self._take_over(stated, "camera removed or changed")

    def set_zones(self, camera: str, zones: Zones | None, by: str) -> None:
        """Keep what was drawn, and watch `camera` by it; raises ControlError."""
        with self._changing:
            if self._ending:
                raise ControlError("jikimi is stopping; draw the zones once it runs again")
            self._cameras.by_name(camera)
            self._zones.put(camera, zones, by)
            self._turns.carrying.zones_drawn(camera)
            self._take_over(self._stated, "zones changed")

    def _take_over(self, stated: Settings, reason: str) -> None:
        """Go by `stated` and the zones that were drawn; cameras that differ begin anew.

        `reason`: why their incidents end.
        """
        settings = self._zones.laid_over(stated)
        gone = [camera for camera in self.now.cameras if camera not in settings.cameras]
        added = [camera for camera in settings.cameras if camera not in self.now.cameras]
        deadline = Deadline.after(LEAVE_S)
        self._cameras.remove([camera.name for camera in gone], reason, deadline)
        shown = {(camera.name, camera.site) for camera in settings.cameras}
        for camera in gone:
            self._on_stopped(camera)
            if (camera.name, camera.site) not in shown:
                self._dispatcher.cameras.forget(camera.name, camera.site)
        if settings.sinks != self.now.sinks:
            try:
                self._dispatcher.reconfigure(settings.sinks, deadline)
            except ConfigError as error:  # a sink's package was broken since it was read
                log.warning("sinks stay as they were", error=scrub(str(error)))
                as_before = {"sinks": self.now.sinks}
                stated = stated.model_copy(update=as_before)
                settings = settings.model_copy(update=as_before)
        self._stated = stated
        self.now = settings
        self._on_changed()
        for camera in added:
            self._cameras.add(camera)
        self._turns.succeed([camera.name for camera in settings.cameras])
        log.info(
            "reloaded",
            removed_or_changed=[camera.name for camera in gone],
            added_or_changed=[camera.name for camera in added],
        )


def _listening(settings: Settings) -> dict[str, Any]:
    """Of `http`, what only a start takes over; the rest is looked up at each request."""
    return settings.http.model_dump(exclude={"accounts", "tokens", "host_names", "public_url"})
