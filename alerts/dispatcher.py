"""The door from the detector to the outside world.

`Dispatcher.submit` decides who receives an alert and writes that to the outbox; the workers
(one a sink) do the rest. Nothing here waits for a sink, except `stop` for a moment.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import structlog

from alerts.admission import Decision, Stage, admit
from alerts.certificates import first_end_s, tls_files
from alerts.message import Alert, AlertContext, AlertPhase, CameraNotice
from alerts.metrics import AlertMetrics
from alerts.outbox import ALL_CAMERAS, Outbox
from alerts.routing import routes
from alerts.worker import SinkState, SinkStatus, SinkWorker
from config.settings import SinkSettings

STOP_TIMEOUT_S = 3.0
"""Of the 5 s that the daemon has in all; a sink that needs longer is left behind."""

TIDY_EVERY_S = 86_400.0


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Dispatcher:
    """Everything between an `Alert` and its sinks. Thread-safe.

    Raises ConfigError where a sink type is unknown or broken, or where another daemon uses the
    same outbox. `clock` is the wall clock; sinks' `expiry`, `late`, cooldown and silence go by it.
    """

    def __init__(
        self,
        sinks: Sequence[SinkSettings],
        outbox_path: Path,
        metrics: AlertMetrics,
        clock: Callable[[], datetime] = _utc_now,
    ) -> None:
        self._metrics = metrics
        self._clock = clock
        self._outbox = Outbox(outbox_path)
        self._mutex = threading.RLock()
        self._running = False
        self._notices: dict[str, CameraNotice] = {}
        self._tidied_at = 0.0
        self._workers: dict[str, SinkWorker] = {}
        try:
            self._workers = {sink.name: self._worker(sink) for sink in sinks}
        except BaseException:
            self._outbox.close()
            raise
        self._announce(self._workers)

    def start(self) -> None:
        """Start every sink; one that cannot start is tried again and holds up no other."""
        with self._mutex:
            self._running = True
            for worker in self._workers.values():
                worker.start()

    def submit(self, alert: Alert, context: AlertContext | None = None) -> list[str]:
        """Queue `alert` for every sink it is for, and name them; soon on disk, too (`flush`).

        Waits neither for a sink nor for the disk. Messages of one incident are to be submitted in
        their order.
        """
        context = context or AlertContext()
        now = self._clock()
        phases: dict[str, AlertPhase] = {}
        stages: dict[str, Stage] = {}
        with self._mutex:
            self._tidy(now.timestamp())
            silenced = (
                not self._outbox.silences(now.timestamp())
                .keys()
                .isdisjoint({ALL_CAMERAS, alert.camera})
            )
            for name, worker in self._workers.items():
                stage = self._outbox.stage(name, str(alert.incident_id))
                local_time = alert.sent_at.astimezone().time()
                admission = admit(
                    alert,
                    stage=stage,
                    routed=routes(worker.settings.route, alert, context, local_time),
                    silenced=silenced,
                    cooling=self._cooling(worker.settings, alert.camera, now.timestamp()),
                )
                if admission.stage is not None:
                    stages[name] = admission.stage
                if admission.decision in {Decision.SILENCED, Decision.COOLDOWN}:
                    worker.count(admission.decision.value)
                elif (
                    admission.decision is Decision.SEND
                    and admission.phase in worker.sink_class.phases
                ):
                    phases[name] = admission.phase
            if phases or stages:
                self._outbox.put(alert, phases, stages)
            for name, phase in phases.items():
                # A fresh alarm is worth an attempt even while the sink is backing off.
                if phase is AlertPhase.OPENED:
                    self._workers[name].nudge()
                else:
                    self._workers[name].wake()
        return list(phases)

    def flush(self) -> bool:
        """Wait until the disk has all that was submitted; False where that takes too long."""
        return self._outbox.flush()

    def show_camera(self, notice: CameraNotice) -> None:
        """Show a camera's state at the sinks that do so; best effort, the latest wins."""
        with self._mutex:
            self._notices[notice.camera] = notice
            for worker in self._workers.values():
                worker.show_camera(notice)

    def silence(self, camera: str | None, until: datetime) -> None:
        """Send nothing of `camera` (None: of any) until then; a time gone by ends the silence.

        Kept over a restart. Exercises and camera notices go out all the same, as do alerts that
        were queued before.
        """
        self._outbox.silence(camera or ALL_CAMERAS, until.timestamp())

    def silences(self) -> dict[str | None, datetime]:
        """The silences that hold now: camera (None: all) → until."""
        return {
            camera or None: datetime.fromtimestamp(until, UTC)
            for camera, until in self._outbox.silences(self._clock().timestamp()).items()
        }

    def status(self) -> list[SinkStatus]:
        """How each sink is doing, in the order of the configuration."""
        with self._mutex:
            return [worker.status(self._clock()) for worker in self._workers.values()]

    def reconfigure(self, sinks: Sequence[SinkSettings]) -> None:
        """Use `sinks` from now on; those that have not changed go on undisturbed.

        Raises ConfigError and changes nothing where a type is unknown or broken. What waits for
        a sink that is gone is kept for a week, in case it comes back.
        """
        with self._mutex:
            fresh: dict[str, SinkWorker] = {}
            workers: dict[str, SinkWorker] = {}
            for settings in sinks:
                current = self._workers.get(settings.name)
                if current is not None and current.settings == settings:
                    workers[settings.name] = current
                else:
                    workers[settings.name] = fresh[settings.name] = self._worker(settings)
            leaving = [w for name, w in self._workers.items() if workers.get(name) is not w]
            gone = self._workers.keys() - workers.keys()
            self._workers = workers
        # Old ones first: two owners of one relay pin, or of one MQTT client id, would fight.
        self._stop(leaving, STOP_TIMEOUT_S)
        for name in gone:
            self._metrics.remove_sink(name)
        self._announce(fresh)
        with self._mutex:
            for worker in fresh.values():
                for notice in self._notices.values():
                    worker.show_camera(notice)
                if self._running:
                    worker.start()

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> None:
        """Stop every sink within `timeout_s` in all, whatever it is doing.

        What is undelivered stays in the outbox for the next start.
        """
        with self._mutex:
            self._running = False
            workers = list(self._workers.values())
        self._stop(workers, timeout_s)
        self._outbox.close()

    def _stop(self, workers: Iterable[SinkWorker], timeout_s: float) -> None:
        leaving = list(workers)
        for worker in leaving:
            worker.request_stop()
        deadline_s = time.monotonic() + timeout_s
        for worker in leaving:
            if not worker.join(max(deadline_s - time.monotonic(), 0.0)):
                structlog.get_logger().warning(
                    "sink did not stop in time, left behind", sink=worker.settings.name
                )

    def _worker(self, settings: SinkSettings) -> SinkWorker:
        return SinkWorker(settings, self._outbox, self._metrics, self._clock)

    def _announce(self, names: Iterable[str]) -> None:
        for name in names:
            self._metrics.add_sink(
                name,
                partial(self._depth, name),
                partial(self._oldest_age_s, name),
                partial(self._failing, name),
            )
            if files := tls_files(self._workers[name].settings.options):
                self._metrics.show_expiry(name, partial(first_end_s, files))

    def _depth(self, name: str) -> int:
        return self._outbox.waiting(name).depth

    def _oldest_age_s(self, name: str) -> float:
        oldest_at = self._outbox.waiting(name).oldest_at
        return 0.0 if oldest_at is None else max(self._clock().timestamp() - oldest_at, 0.0)

    def _failing(self, name: str) -> bool:
        worker = self._workers.get(name)
        return worker is not None and worker.state is SinkState.FAILING

    def _cooling(self, settings: SinkSettings, camera: str, now: float) -> bool:
        if not settings.cooldown_s:
            return False
        at = self._outbox.delivered_at(settings.name, camera)
        # Both ways: after a clock has been set back, a cooldown must not last until then.
        return at is not None and abs(now - at) < settings.cooldown_s

    def _tidy(self, now: float) -> None:
        if now - self._tidied_at >= TIDY_EVERY_S:
            self._tidied_at = now
            self._outbox.tidy(self._workers, now)
