"""The daemon: wires cameras, worker, desk, sinks and servers together, and looks after them.

`run` returns when asked to stop (SIGTERM, SIGINT, or its time is up), within five seconds.
"""

from __future__ import annotations

import math
import queue
import shutil
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any
from uuid import UUID

from prometheus_client import (
    CollectorRegistry,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from structlog import get_logger

from alerts.dispatcher import Dispatcher
from alerts.message import CameraNotice
from alerts.metrics import AlertMetrics
from alerts.worker import SinkState
from config.errors import ConfigError, ControlError
from config.secrets import scrub
from config.settings import CameraSettings, Settings
from detector.capture.reader import STOP_WAIT_S
from detector.daemon.alerting import IncidentReport
from detector.daemon.calibration_store import CalibrationSaver, CalibrationStore
from detector.daemon.camera import CameraCallbacks, WatchedCamera
from detector.daemon.control import ControlServer
from detector.daemon.journal import Entry, Journal
from detector.daemon.observability.http import HttpServer
from detector.daemon.observability.metrics import DetectorMetrics, WorkerMetrics
from detector.daemon.observability.systemd import notify, watchdog_interval_s
from detector.daemon.reporter import IncidentReporter
from detector.inference.weights import Classifier
from detector.inference.worker import InferenceWorker, ScoredView
from detector.types import CameraState

TICK_S = 0.5
"""How often the supervisor looks round."""

STUCK_AFTER_S = 10.0
"""Without progress of the inference worker for so long the daemon is not alive."""

SETTLE_S = 5.0
"""The summary waits so long for cameras to connect."""

STOP_BUDGET_S = 4.0
"""Of the five seconds that SIGTERM may take."""

OVERLOADED = (
    "overloaded: more views come than can be scored; "
    "cameras with an incident go first, the others are watched less often"
)

log = get_logger()


class Daemon:
    """Everything that runs, from `start` to `stop`."""

    def __init__(
        self, settings: Settings, classifier: Classifier, read_again: Callable[[], Settings]
    ) -> None:
        """Claim state directory, port and sinks; raises JikimiError where one is not to be had."""
        self._settings = settings
        self._classifier = classifier
        self._read_again = read_again
        self._started_at = datetime.now(UTC)
        self._ticked_s = time.monotonic()
        # A handler may interrupt whoever waits here: an Event's lock would then be taken twice by
        # one thread, and the daemon hang where it should stop. `SimpleQueue.put` may be nested.
        self._signals: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._posts_lock = threading.Lock()
        self._posts: dict[str, WatchedCamera] = {}

        state_dir = settings.state_dir
        try:
            (state_dir / "calibration").mkdir(parents=True, exist_ok=True, mode=0o750)
        except OSError as error:
            raise ConfigError(
                f"state_dir: cannot write to {state_dir} ({error.strerror}); "
                "make it writable or choose another (JIKIMI_STATE_DIR)"
            ) from error
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each
        registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        self._metrics = DetectorMetrics(registry)
        sidecar = classifier.sidecar
        self._metrics.build.labels(version("jikimi"), sidecar.name, classifier.engine.name).set(1)
        # First, for its lock refuses a second daemon before that takes over anything else.
        self._dispatcher = Dispatcher(
            settings.sinks, state_dir / "outbox.sqlite", AlertMetrics(registry)
        )
        self._control = ControlServer(
            state_dir / "control.sock",
            {
                "status": lambda _: self.status(),
                "incidents": self._list_incidents,
                "drill": self._drill,
                "silence": self._silence,
                "recalibrate": self._recalibrate,
            },
        )
        self._http = HttpServer(settings.http, registry, lambda: not self._stuck(), self.health)
        self._journal = Journal(state_dir / "incidents.sqlite")
        self._reporter = IncidentReporter(self._journal, self._dispatcher.submit)
        self._calibrations = CalibrationStore(state_dir / "calibration", sidecar)
        self._calibration_saver = CalibrationSaver(self._all_posts)
        self._worker = InferenceWorker(
            classifier.engine,
            classifier.head,
            self._on_scored,
            WorkerMetrics(self._metrics),
            self._alarmed,
        )
        age = self._metrics.progress_age
        age.labels("inference").set_function(lambda: time.monotonic() - self._worker.progress_s)
        age.labels("supervisor").set_function(lambda: time.monotonic() - self._ticked_s)
        self._metrics.disk_free.set_function(partial(_free_bytes, state_dir))

    @property
    def url(self) -> str:
        """Where metrics and health are served."""
        return self._http.url

    def run(self, for_s: float | None = None, on_settled: Callable[[], None] | None = None) -> None:
        """Watch until SIGTERM or SIGINT, or for `for_s` seconds.

        `on_settled` is called once every camera has got somewhere, or after `SETTLE_S`.
        """
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        self._start()
        try:
            self._supervise(for_s, on_settled)
        finally:
            self._stop()

    def status(self) -> dict[str, Any]:
        """Everything `jikimi status` shows."""
        sidecar = self._classifier.sidecar
        return {
            **self.health(),
            "version": version("jikimi"),
            "started_at": self._started_at.isoformat(timespec="seconds"),
            "url": self._http.url,
            "state_dir": str(self._settings.state_dir),
            "model": {
                "name": sidecar.name,
                "engine": self._classifier.engine.name,
                "labels": sidecar.labels,
                "open_thresholds": {
                    label: rule.open_threshold for label, rule in sidecar.incident.items()
                },
            },
        }

    def health(self) -> dict[str, Any]:
        """The body of /healthz: alive or stuck, and what is not as it should be."""
        stuck = self._stuck()
        cameras = [post.status() for post in self._all_posts()]
        sinks = self._dispatcher.status()
        reasons = stuck + [
            f"camera {camera['name']} is {camera['state']}"
            for camera in cameras
            if camera["state"] != CameraState.LIVE
        ]
        reasons += [
            f"sink {sink.name}: {sink.last_error}"
            for sink in sinks
            if sink.state is SinkState.FAILING
        ]
        if self._worker.overloaded:
            reasons.append(OVERLOADED)
        return {
            "live": not stuck,
            "status": "stuck" if stuck else "degraded" if reasons else "ok",
            "reasons": reasons,
            "cameras": cameras,
            "sinks": [asdict(sink) for sink in sinks],
        }

    def _stuck(self) -> list[str]:
        """What has made no progress; asks no sink and no disk, which may be slow themselves."""
        now_s = time.monotonic()
        return [
            f"{what} has made no progress for {now_s - since_s:.0f} s"
            for what, since_s in (
                ("the inference worker", self._worker.progress_s),
                ("the supervisor", self._ticked_s),
            )
            if now_s - since_s > STUCK_AFTER_S
        ]

    def _start(self) -> None:
        now = datetime.now(UTC)
        self._dispatcher.start()
        self._reporter.start()
        self._worker.start()
        self._close_left_open(now)
        for camera in self._settings.cameras:
            self._add(camera)
        self._calibration_saver.start()
        self._control.start()
        self._http.start()
        notify("READY=1")

    def _supervise(self, for_s: float | None, on_settled: Callable[[], None] | None) -> None:
        started_s = time.monotonic()
        watchdog_s = watchdog_interval_s()
        pinged_s = 0.0
        while True:
            now_s = self._ticked_s = time.monotonic()
            if for_s is not None and now_s - started_s >= for_s:
                return
            for post in self._all_posts():
                post.tick(now_s, datetime.now(UTC))
            if on_settled and (now_s - started_s >= SETTLE_S or self._settled()):
                on_settled()
                on_settled = None
            if watchdog_s and now_s - pinged_s >= watchdog_s and not self._stuck():
                notify("WATCHDOG=1")
                pinged_s = now_s
            asked = self._signals_within(TICK_S)
            if asked - {signal.SIGHUP}:
                return
            if asked:
                self._reload()

    def _signals_within(self, seconds: float) -> set[int]:
        """What has come as soon as something has; nothing after `seconds`."""
        found = set()
        with suppress(queue.Empty):
            found.add(self._signals.get(timeout=seconds))
            while True:
                found.add(self._signals.get_nowait())
        return found

    def _stop(self) -> None:
        notify("STOPPING=1")
        deadline_s = time.monotonic() + STOP_BUDGET_S

        def left_s() -> float:
            return max(0.1, deadline_s - time.monotonic())

        posts = self._all_posts()
        for post in posts:
            post.request_stop()
        self._control.stop()
        for post in posts:
            post.stop("monitor stopped", wait_s=left_s() / 2)
        self._worker.stop(left_s() / 2)
        self._reporter.stop(left_s() / 2)
        self._calibration_saver.stop(left_s() / 2)
        self._dispatcher.stop(left_s())
        self._http.stop()
        self._journal.close()
        log.info("stopped")

    def _on_signal(self, number: int, _frame: object) -> None:
        self._signals.put(number)

    def _settled(self) -> bool:
        return all(post.state is not CameraState.CONNECTING for post in self._all_posts())

    def _all_posts(self) -> list[WatchedCamera]:
        with self._posts_lock:
            return list(self._posts.values())

    def _on_scored(self, scored: ScoredView) -> None:
        post = self._posts.get(scored.sampled.view.camera)
        if post is not None:
            post.on_scored(scored)

    def _alarmed(self, camera: str) -> bool:
        """Whether `camera` goes first where not every view can be scored; takes no lock."""
        post = self._posts.get(camera)
        return post is not None and post.alarmed

    def _add(self, camera: CameraSettings) -> None:
        callbacks = CameraCallbacks(
            self._reporter.report, self._dispatcher.submit, self._show_state
        )
        post = WatchedCamera(
            camera, self._classifier, self._worker, self._metrics, callbacks, self._calibrations
        )
        with self._posts_lock:
            self._posts[camera.name] = post
        post.start()

    def _remove(self, name: str, reason: str) -> None:
        with self._posts_lock:
            post = self._posts.pop(name)
        post.stop(reason, wait_s=STOP_WAIT_S)
        post.save_calibration()  # before the same camera, changed, begins from it
        post.forget()

    def _show_state(self, camera: CameraSettings, state: CameraState, since: datetime) -> None:
        self._dispatcher.show_camera(CameraNotice(camera.name, camera.site, state.value, since))

    def _close_left_open(self, now: datetime) -> None:
        """A crash left these open: whoever was told of them hears that they are over."""
        known = {camera.name: camera for camera in self._settings.cameras}
        for incident in self._journal.left_open(now):
            camera = known.get(incident.camera)
            reason = "monitor restarted"
            if camera is None:
                self._journal.record(incident, reason)
            else:
                self._reporter.report(IncidentReport(incident, camera, reason=reason))

    def _reload(self) -> None:
        """Take over changed settings; a wrong file changes nothing."""
        try:
            settings = self._read_again()
        except ConfigError as error:
            log.warning("reload refused, everything stays as it was", error=scrub(str(error)))
            return
        fixed = ("state_dir", "weights", "engine", "http", "log")
        if changed := [
            key for key in fixed if getattr(settings, key) != getattr(self._settings, key)
        ]:
            log.warning("these settings take effect at the next start", keys=changed)
        old = {camera.name: camera for camera in self._settings.cameras}
        new = {camera.name: camera for camera in settings.cameras}
        gone = [name for name in old if old[name] != new.get(name)]
        for name in gone:
            self._remove(name, "camera removed or changed")
        if settings.sinks != self._settings.sinks:
            self._dispatcher.reconfigure(settings.sinks)
        self._settings = settings
        added = [name for name in new if new[name] != old.get(name)]
        for name in added:
            self._add(new[name])
        log.info("reloaded", removed_or_changed=gone, added_or_changed=added)

    def _chosen(self, request: dict[str, Any]) -> list[WatchedCamera]:
        wanted = request.get("camera")
        posts = self._all_posts()
        chosen = [post for post in posts if wanted in {None, post.camera.name}]
        if not chosen:
            names = ", ".join(post.camera.name for post in posts)
            raise ControlError(f"there is no camera {wanted!r}; cameras are {names}")
        return chosen

    def _drill(self, request: dict[str, Any]) -> dict[str, Any]:
        """An exercise on the camera named, or on the first."""
        post = self._chosen(request)[0]
        incident: UUID = post.drill(self._classifier.sidecar.labels[0], datetime.now(UTC))
        sinks = [sink.name for sink in self._dispatcher.status()]
        return {"camera": post.camera.name, "incident": str(incident), "sinks": sinks}

    def _silence(self, request: dict[str, Any]) -> dict[str, Any]:
        if request.get("camera") is not None:
            self._chosen(request)
        until = datetime.now(UTC) + timedelta(seconds=float(request["for_s"]))
        self._dispatcher.silence(request.get("camera"), until)
        log.warning("silenced", camera=request.get("camera") or "all", until=until.isoformat())
        return {"camera": request.get("camera"), "until": until.isoformat(timespec="seconds")}

    def _recalibrate(self, request: dict[str, Any]) -> dict[str, Any]:
        """Forget what the camera named has learnt: it was turned, or moved."""
        [post] = self._chosen({"camera": request.get("camera") or ""})
        post.recalibrate()
        return {"camera": post.camera.name}

    def _list_incidents(self, request: dict[str, Any]) -> list[dict[str, Any]]:
        return [_entry_json(entry) for entry in self._journal.recent(int(request.get("limit", 50)))]


def _free_bytes(folder: Path) -> float:
    """Space that this user may still fill; NaN where the disk does not answer."""
    try:
        return float(shutil.disk_usage(folder).free)
    except OSError:
        return math.nan


def _entry_json(entry: Entry) -> dict[str, Any]:
    incident = entry.incident
    return {
        "id": str(incident.id),
        "camera": incident.camera,
        "label": incident.label,
        "opened_at": incident.opened_at.isoformat(timespec="milliseconds"),
        "closed_at": incident.closed_at and incident.closed_at.isoformat(timespec="milliseconds"),
        "peak": round(incident.peak, 3),
        "reason": entry.reason,
    }
