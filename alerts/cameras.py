"""Cameras as sinks show them beside the alerts: their state, and until when they are silenced.

Silences are kept over a restart; what is shown is not, and is shown by whoever watches.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import structlog

from alerts.delivery.worker import SinkWorker
from alerts.delivery.workers import Workers
from alerts.message import CameraNotice
from alerts.storage import silences as kept
from alerts.storage.silences import ALL_CAMERAS
from alerts.storage.store import Store


class Cameras:
    """What the sinks of `workers` show of cameras, and which are silenced. Thread-safe."""

    def __init__(self, workers: Workers, store: Store) -> None:
        self._workers = workers
        self._store = store
        self._clock = store.clock
        self._notices: dict[tuple[str, str], CameraNotice] = {}
        self._elsewhere: frozenset[str] = frozenset()
        self._shown_silences: dict[str, float] = {}

    def show(self, notice: CameraNotice) -> None:
        """Show a camera's state at the sinks that do so; best effort, the latest wins.

        Whether it is silenced is filled in.
        """
        with self._workers.mutex:
            shown = replace(notice, silenced_until=self.silenced_until(notice.camera))
            self._notices[notice.site, notice.camera] = shown
            for worker in self._workers.by_name.values():
                worker.show_camera(shown)

    def show_silences(self) -> None:
        """Show anew the cameras whose silence has begun or ended; to be called again and again."""
        with self._workers.mutex:
            silences = kept.silences(self._store, self._clock.now())
            changed = {camera for camera, _ in silences.items() ^ self._shown_silences.items()}
            self._shown_silences = silences
            for notice in list(self._notices.values()):
                if not changed.isdisjoint({ALL_CAMERAS, notice.camera}):
                    self.show(notice)

    def forget(self, name: str, site: str) -> None:
        """Camera `name` of `site` is no longer configured: show its state no longer.

        A silence of it goes on, for the camera may come back.
        """
        with self._workers.mutex:
            self._notices.pop((site, name), None)
            for worker in self._workers.by_name.values():
                worker.forget_camera(name, site)

    def watched_elsewhere(self, cameras: frozenset[str]) -> None:
        """Other boxes of the cluster watch these by now: what is shown of them is theirs.

        The latest call counts; before `forget` of such a one, and before it is shown again.
        """
        with self._workers.mutex:
            if cameras == self._elsewhere:
                return
            self._elsewhere = cameras
            for worker in self._workers.by_name.values():
                worker.watched_elsewhere(cameras)

    def introduce(self, worker: SinkWorker) -> None:
        """Have a worker that was just made show what the others do."""
        with self._workers.mutex:
            if self._elsewhere:
                worker.watched_elsewhere(self._elsewhere)
            for notice in self._notices.values():
                worker.show_camera(notice)

    def show_again(self) -> None:
        """Have every sink show all cameras anew: one that left may have cleared them."""
        with self._workers.mutex:
            for worker in self._workers.by_name.values():
                for notice in self._notices.values():
                    worker.show_camera(notice)

    def silence(self, camera: str | None, for_s: float) -> datetime:
        """Send nothing of `camera` (None: of any) for so long; until when, by the box's clock.

        Kept over a restart. Exercises and camera notices go out all the same, as do alerts that
        were queued before.
        """
        until = self._clock.now() + for_s
        kept.silence(self._store, camera or ALL_CAMERAS, until)
        self.show_silences()
        return self._clock.utc(until)

    def unsilence(self, camera: str | None) -> list[str | None]:
        """End the silence of `camera`, or (None) every one; returns what was ended.

        None in the result is the silence of every camera. That one is not ended for a single
        camera: the result is then empty.
        """
        with self._workers.mutex:
            ended = [name for name in self.silences() if camera in {None, name}]
            for name in ended:
                kept.silence(self._store, name or ALL_CAMERAS, until=0)
            self.show_silences()
        for name in ended:
            structlog.get_logger().info("silence ended", camera=name or "all")
        return ended

    def silences(self) -> dict[str | None, datetime]:
        """The silences that hold now: camera (None: all) → until."""
        return {
            camera or None: self._clock.utc(until)
            for camera, until in kept.silences(self._store, self._clock.now()).items()
        }

    def silenced_until(self, camera: str) -> datetime | None:
        """Until when no alarm of `camera` is sent; None where they are."""
        silences = self.silences()
        return max((silences[key] for key in (camera, None) if key in silences), default=None)
