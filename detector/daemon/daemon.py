"""The daemon: wires cameras, inference, reporter, sinks and servers; starts them and stops them.

`run` returns when asked to stop (SIGTERM, SIGINT, or its time is up), within five seconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from structlog import get_logger

from alerts.deadline import Deadline
from alerts.dispatcher import WRITE_S, Dispatcher
from alerts.liveness import LiveThread
from alerts.message import Alert, AlertContext
from alerts.metrics import AlertMetrics
from alerts.sink import FarSink
from alerts.storage.faults import StorageFaults
from alerts.storage.write_behind import Change as StoreChange
from config.settings import CameraSettings, Settings, SinkSettings
from detector.console.server import ConsoleServer
from detector.daemon.announcing import Announcer
from detector.daemon.calibration_store import CalibrationSaver, CalibrationStore
from detector.daemon.evidence_journal import evidence_recorder
from detector.daemon.forwarding.forwarding import Forwarding
from detector.daemon.handover.turns import Turns
from detector.daemon.health import Health
from detector.daemon.journal import OUTBOX, Journal, LeftOpen
from detector.daemon.left_open import reports_of
from detector.daemon.links import linked
from detector.daemon.live_settings import LiveSettings
from detector.daemon.main_loop import look_round
from detector.daemon.observability.cluster_file import CLUSTER, ClusterFile
from detector.daemon.observability.cluster_metrics import ClusterMetrics
from detector.daemon.observability.evidence_metrics import EvidenceMetrics
from detector.daemon.observability.free_space import FreeSpace
from detector.daemon.observability.log_writer import LogWriter
from detector.daemon.observability.metrics import (
    DetectorMetrics,
    WorkerMetrics,
    process_registry,
)
from detector.daemon.observability.systemd import notify
from detector.daemon.observability.thread_metrics import ThreadMetrics
from detector.daemon.operators.changes import Changes
from detector.daemon.operators.commands import OperatorCommands
from detector.daemon.operators.control import ControlServer
from detector.daemon.operators.monitor import DaemonMonitor, Parts
from detector.daemon.operators.zones import ZONES, DrawnZones
from detector.daemon.reporter import IncidentReporter
from detector.daemon.signals import Signals
from detector.daemon.stages import second_look_worker, serve_engine_of, served
from detector.daemon.status import DaemonStatus
from detector.daemon.supervisor import Supervisor
from detector.daemon.watched.camera import CameraCallbacks, WatchedCamera
from detector.daemon.watched.cameras import Cameras
from detector.evidence.record import EVIDENCE
from detector.inference.weights import Classifier
from detector.inference.worker import InferenceWorker
from detector.journal.feeder import JournalFeeder
from detector.journal.recorder import Recorder
from detector.journal.records import JOURNAL

if TYPE_CHECKING:
    from detector.journal.reading import JournalReader

log = get_logger()


class Daemon:
    """Everything that runs, from start to stop."""

    def __init__(
        self,
        settings: Settings,
        classifier: Classifier,
        read_again: Callable[[], Settings],
        log_writer: LogWriter,
    ) -> None:
        """Claim state directory, port and sinks; raises JikimiError where one is not to be had."""
        self._log_writer = log_writer
        started_at = datetime.now(UTC)
        self._signals = Signals()
        state_dir, sidecar = settings.state_dir, classifier.sidecar
        registry, cluster = process_registry(), ClusterFile(state_dir / CLUSTER)
        self._metrics = metrics = DetectorMetrics(registry)
        self._classifier = classifier = served(classifier, settings, metrics)
        metrics.build.labels(version("jikimi"), sidecar.name, classifier.engine.name).set(1)
        alert_metrics = AlertMetrics(registry)
        faults = StorageFaults(alert_metrics)
        # First, for its lock refuses a second daemon before that takes over anything else.
        self._dispatcher = Dispatcher(
            settings.sinks,
            state_dir / OUTBOX,
            alert_metrics,
            faults=faults,
            far_sinks=self._far_sink,
        )
        zones = DrawnZones(state_dir / ZONES, faults)
        stated, settings = settings, zones.laid_over(settings)
        self._cameras = Cameras(self._watched_camera)
        self._worker = InferenceWorker(
            classifier.engine,
            classifier.head,
            self._cameras.on_scored,
            WorkerMetrics(metrics),
            self._cameras.is_alarmed,
        )
        self._serve_engine = serve_engine_of(classifier)
        self._second_look = second_look_worker(
            classifier, settings.weights, self._cameras.on_looked, metrics
        )
        self._supervisor = supervisor = Supervisor(self._threads)
        recorder = Recorder(self._dispatcher.store)
        self._evidence = evidence_recorder(settings, sidecar.name, recorder)
        health = Health(
            self._cameras,
            self._worker,
            self._dispatcher,
            supervisor,
            log_writer,
            self._second_look,
            self._evidence,
            self._serve_engine,
        )
        self._journal = Journal(self._dispatcher.store)
        changes = Changes()
        url = settings.journal.url
        self._journal_at: Path | str = url.get_secret_value() if url else state_dir / JOURNAL
        self._turns = turns = Turns(
            state_dir,
            self._dispatcher,
            self._journal,
            lambda: self.journal_reader,
            zones,
            self._tell_left_open,
            shared=url is not None,
        )
        self._announcer = announcer = Announcer(
            self._dispatcher, recorder, changes, turns.carrying, self._cameras
        )
        self._forwarding = Forwarding(
            url.get_secret_value() if url else None,
            self._dispatcher,
            lambda: turns.claims.box,
            lambda: self._settings.now.sinks,
        )
        self._reporter = IncidentReporter(
            self._journal,
            self._submit,
            announcer.incident,
            turns.claims.of,
            self._dispatcher.together,
        )
        self._feeder = JournalFeeder(
            self._dispatcher.store, state_dir / OUTBOX, self._journal_at, turns.look
        )
        self._calibrations = CalibrationStore(
            state_dir / "calibration", sidecar, faults, turns.carrying.calibrated
        )
        self._calibration_saver = CalibrationSaver(self._cameras.learning, self._calibrations)
        self._settings = LiveSettings(
            stated,
            read_again,
            zones,
            self._cameras,
            self._dispatcher,
            turns,
            self._calibrations,
            on_stopped=announcer.camera_stopped,
            on_changed=self._look_again,
        )
        commands = OperatorCommands(
            self._cameras,
            self._dispatcher,
            sidecar.labels[0],
            self._reporter,
            self._calibrations,
            lambda key: self.journal_reader.incident(key) is not None,
            announcer.said,
        )
        by_name = commands.by_name()
        self._dispatcher.on_command(commands.by_sink)
        self._control = ControlServer(
            state_dir / "control.sock",
            {
                **by_name,
                "states": lambda _: self.status.states(),
                "status": lambda _: self.status.full(),
                "console": lambda _: {"url": self.page()},
            },
            faults,
        )
        self.monitor = DaemonMonitor(
            Parts(
                lambda: self._settings.now,
                lambda: self.journal_reader,
                state_dir / EVIDENCE if self._evidence else None,
                self._cameras,
                self._dispatcher,
                recorder,
                health,
                lambda: turns.claims.box,
                cluster,
                registry,
                by_name,
                changes,
                zones,
                self._settings.set_zones,
            )
        )
        self._http = ConsoleServer(settings.http, self.monitor)
        self.status = DaemonStatus(
            started_at,
            lambda: self._settings.now,
            health,
            self._cameras,
            classifier,
            self._second_look,
            zones,
            self._http,
        )
        ages = {
            "inference": self._worker.thread.age_s,
            "reporter": self._reporter.thread.age_s,
            "supervisor": lambda: time.monotonic() - supervisor.looked_s,
        }
        for part, age_s in ages.items():
            metrics.progress_age.labels(part).set_function(age_s)
        registry.register(ClusterMetrics(cluster.read))
        registry.register(ThreadMetrics(self._threads, supervisor, log_writer))
        if self._evidence:
            registry.register(EvidenceMetrics(self._evidence, self._cameras.rings))
        metrics.disk_free.set_function(FreeSpace(state_dir))

    def run(self, for_s: float | None = None, on_settled: Callable[[], None] | None = None) -> None:
        """Watch until SIGTERM or SIGINT, or for `for_s` seconds.

        `on_settled` is called once every camera has got somewhere, or after some seconds.
        """
        self._signals.handle()
        try:
            self._start()
            look_round(
                self._supervisor,
                self._cameras,
                self._signals,
                for_s,
                on_settled,
                also=self._look_after,
                reload=self._settings.reload,
            )
        finally:
            self._stop(self._signals.stop_by())

    def page(self) -> str:
        """What to open in a browser: see `ConsoleServer.page`."""
        return self._http.page()

    @cached_property
    def journal_reader(self) -> JournalReader:
        """The journal, with what it lacks yet; safe from any thread."""
        from detector.journal.reading import JournalReader  # noqa: PLC0415 - loads SQLAlchemy

        return JournalReader(self._journal_at, self._dispatcher.store.read)

    def _threads(self) -> Iterator[LiveThread]:
        """All that an alarm, or word of one, passes; they come and go with cameras and sinks."""
        yield self._worker.thread
        if self._second_look:
            yield self._second_look.thread
        yield self._reporter.thread
        yield from self._dispatcher.threads()
        yield from self._cameras.threads()
        yield self._calibration_saver.thread
        yield self._feeder.thread
        yield self._forwarding.thread
        if self._evidence:
            yield self._evidence.thread
        yield self._control.thread
        yield self._http.thread
        yield self._log_writer.thread

    def _start(self) -> None:
        self._dispatcher.start()
        self._reporter.start()
        if self._serve_engine:
            self._serve_engine.start()
        self._worker.start()
        self._look_again()
        if self._evidence:
            self._evidence.start()
        self._close_left_open(datetime.now(UTC))
        self._settings.begin()
        self._calibration_saver.start()
        self._control.start()
        self._http.start()
        notify("READY=1")
        self._feeder.start()  # last: it takes a second of what the cameras need to begin

    def _look_after(self) -> None:
        self._close_left_open(datetime.now(UTC))  # in case the disk has answered only now
        self._dispatcher.cameras.show_silences()  # in case one is over

    def _stop(self, deadline: Deadline) -> None:
        """Ask every part to end, the last alerts first, then wait for all until `deadline`."""
        notify("STOPPING=1")
        self._settings.request_stop()
        if self._turns.claims.box is not None:
            self._turns.read()  # a box that ends for want of cameras has given them to others
        self._forwarding.request_stop()
        cameras = self._cameras.all()
        for camera in cameras:
            camera.request_stop("monitor stopped")
        self._reporter.stop(deadline)  # in milliseconds: it waits for no disk and no sink
        if self._second_look:
            self._second_look.request_stop()
        for camera in cameras:
            self._announcer.camera_stopped(camera.camera)
        self._feeder.request_stop()
        self._dispatcher.request_stop()
        self._calibration_saver.request_stop()
        if self._evidence:
            self._evidence.request_stop()
        self._control.stop()
        self._http.stop()
        # From here on one that hangs takes no time from another: all have been asked.
        if self._evidence:  # it tells the store what it has written
            self._evidence.stop(deadline.earlier(WRITE_S))
        self._dispatcher.stop(deadline)
        self._forwarding.stop(deadline)
        self._calibration_saver.stop(deadline)
        self._feeder.stop(deadline)
        self._worker.stop(deadline.left_s())
        if self._serve_engine:
            self._serve_engine.stop()
        for camera in cameras:
            camera.join(deadline)
        log.info("stopped")

    def _look_again(self) -> None:
        """Start what the settings in force want and is not there; a second look takes 40 MB."""
        wanted = any(camera.detection.second_look for camera in self._settings.now.cameras)
        if self._second_look and wanted and not self._second_look.started:
            self._second_look.start()
        self._forwarding.look_again()

    def _watched_camera(self, camera: CameraSettings) -> WatchedCamera:
        callbacks = CameraCallbacks(
            self._reporter.report, self._submit, self._announcer.camera_state
        )
        return WatchedCamera(
            camera,
            self._classifier,
            self._worker,
            self._metrics,
            callbacks,
            self._calibrations,
            self._second_look,
            self._evidence.camera(camera) if self._evidence else None,
        )

    def _submit(
        self, alert: Alert, context: AlertContext | None = None, also: StoreChange | None = None
    ) -> list[str]:
        public_url = self._settings.now.http.public_url
        return self._dispatcher.submit(linked(alert, public_url), context, also)

    def _far_sink(self, sink: SinkSettings) -> FarSink | None:
        return self._forwarding.far_sink(sink)

    def _close_left_open(self, now: datetime) -> None:
        for left in self._journal.left_open(now):
            self._tell_left_open(left, "monitor restarted")

    def _tell_left_open(self, left: LeftOpen, reason: str) -> None:
        for report in reports_of(left, self._settings.now, reason, datetime.now(UTC)):
            self._reporter.report(report)
