"""The cameras that are watched now, and which of them comes and goes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection

from alerts.deadline import Deadline
from alerts.liveness import LiveThread
from config.errors import ControlError
from config.settings import CameraSettings
from detector.capture.kept.ring import PacketRing
from detector.daemon.watched.camera import WatchedCamera
from detector.daemon.watched.learning import Learning
from detector.inference.second_look.worker import Looked
from detector.inference.worker import ScoredView
from detector.types import CameraState


class Cameras:
    """Every camera that is watched, by name. Safe to call from any thread."""

    def __init__(self, watch: Callable[[CameraSettings], WatchedCamera]) -> None:
        """`watch` makes a camera that is not started yet."""
        self._watch = watch
        self._lock = threading.Lock()
        self._by_name: dict[str, WatchedCamera] = {}

    def all(self) -> list[WatchedCamera]:
        """Those watched now, in the order in which they came."""
        with self._lock:
            return list(self._by_name.values())

    def threads(self) -> list[LiveThread]:
        """The thread of each."""
        return [camera.thread for camera in self.all()]

    def learning(self) -> list[Learning]:
        """What each learns."""
        return [camera.learning for camera in self.all()]

    def by_name(self, name: str) -> WatchedCamera:
        """The camera called `name`; raises ControlError where there is none."""
        for camera in self.all():
            if camera.camera.name == name:
                return camera
        names = ", ".join(camera.camera.name for camera in self.all())
        raise ControlError(f"there is no camera {name!r}; cameras are {names}")

    def first(self) -> WatchedCamera:
        """The one watched longest; raises ControlError where there is none at the moment."""
        for camera in self.all():
            return camera
        raise ControlError("no camera is watched at the moment; ask again after the reload")

    def add(self, settings: CameraSettings) -> None:
        """Start watching one more."""
        camera = self._watch(settings)
        with self._lock:
            self._by_name[settings.name] = camera
        camera.start()

    def remove(self, names: Collection[str], reason: str, deadline: Deadline) -> None:
        """Stop watching `names`, side by side, by `deadline`; `reason` closes open incidents."""
        with self._lock:
            leaving = [self._by_name.pop(name) for name in names]
        for camera in leaving:
            camera.request_stop(reason)
        for camera in leaving:
            camera.join(deadline)
            camera.learning.save()  # before the same camera, changed, begins from it
            camera.remove_metrics()

    def rings(self) -> dict[str, PacketRing]:
        """By name, where the newest packets of each are kept."""
        return {
            camera.camera.name: camera.evidence.ring for camera in self.all() if camera.evidence
        }

    @property
    def settled(self) -> bool:
        """Whether every camera has been reached, or could not be."""
        return all(camera.state is not CameraState.CONNECTING for camera in self.all())

    # The workers call these, inference `is_alarmed` under its own lock: they take none.

    def on_scored(self, scored: ScoredView) -> None:
        """Hand a scored view to its camera, if that is still watched."""
        camera = self._by_name.get(scored.sampled.view.camera)
        if camera is not None:
            camera.on_scored(scored)

    def on_looked(self, looked: Looked) -> None:
        """Hand an answer of the second look to its camera, if that is still watched."""
        camera = self._by_name.get(looked.candidate.camera)
        if camera is not None:
            camera.on_looked(looked)

    def is_alarmed(self, name: str) -> bool:
        """Whether an incident is open on `name`: it goes first where not all can be scored."""
        camera = self._by_name.get(name)
        return camera is not None and camera.alarmed
