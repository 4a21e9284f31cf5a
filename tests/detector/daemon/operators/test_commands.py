"""What operators ask of the daemon, over its own dispatcher and cameras, and how it is then."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from alerting import make_alert, sink, wait_for
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from alerts.deadline import Deadline
from alerts.dispatcher import Dispatcher
from alerts.message import Alert
from alerts.metrics import AlertMetrics
from alerts.sink import RefusedError
from alerts.sinks.recording import RecordingSink
from config.errors import ControlError, DeliveryError
from config.settings import CameraSettings, ConfirmSettings, RouteSettings, SinkSettings
from config.urls import StreamUrl
from detector.daemon.calibration_store import CalibrationSaver, CalibrationStore
from detector.daemon.health import Health
from detector.daemon.journal import Journal
from detector.daemon.observability.log_writer import LogWriter
from detector.daemon.observability.metrics import DetectorMetrics, WorkerMetrics
from detector.daemon.operators import outbox
from detector.daemon.operators.commands import OperatorCommands
from detector.daemon.reporter import IncidentReporter
from detector.daemon.supervisor import Supervisor
from detector.daemon.watched.camera import CameraCallbacks, WatchedCamera
from detector.daemon.watched.cameras import Cameras
from detector.inference.weights import Classifier
from detector.inference.worker import InferenceWorker
from detector.journal import local
from detector.journal.records import AuditEntry, Judgement, Verdict
from detector.types import CameraState, Incident, Phase

NOTHING = {"after_ms": None, "error": None, "remark": None}
NO_ID = "0191fe00-0000-7000-8000-000000000000"


class Running:
    """The parts of a daemon that commands reach: cameras `gate` and `yard`, two sinks."""

    def __init__(self, classifier: Classifier, folder: Path, *more: SinkSettings) -> None:
        metrics = DetectorMetrics(CollectorRegistry())
        elsewhere = RouteSettings(cameras=["yard"])
        self.dispatcher = Dispatcher(
            [
                sink("recording", "police"),
                sink("recording", "far", route=elsewhere),
                *more,
            ],
            folder / "outbox.sqlite",
            AlertMetrics(CollectorRegistry()),
        )
        journal = Journal(self.dispatcher.store)
        self.reporter = IncidentReporter(journal, self.dispatcher.submit)
        worker = InferenceWorker(
            classifier.engine, classifier.head, lambda _: None, WorkerMetrics(metrics)
        )
        store = CalibrationStore(folder, classifier.sidecar)
        callbacks = CameraCallbacks(self.reporter.report, lambda _: None, lambda *_: None)
        self.cameras = Cameras(
            lambda camera: WatchedCamera(camera, classifier, worker, metrics, callbacks, store)
        )
        supervisor = Supervisor(self.dispatcher.threads)
        self.health = Health(
            self.cameras, worker, self.dispatcher, supervisor, LogWriter(None, None)
        )
        self.saver = CalibrationSaver(self.cameras.learning, store)
        commands = OperatorCommands(self.cameras, self.dispatcher, "violence", self.reporter, store)
        self._commands = commands.by_name()
        self.by_sink = commands.by_sink
        self.saver.start()
        self.dispatcher.start()
        self.reporter.start()
        for name in ("gate", "yard"):
            url = StreamUrl.parse("pattern://calm")
            self.cameras.add(CameraSettings(name=name, url=url, site="harbour"))

    def ask(self, command: str, **details: Any) -> Any:
        """The answer, as it comes out of the socket."""
        return json.loads(json.dumps(self._commands[command](details)))

    def stop(self) -> None:
        deadline = Deadline.after(5)
        self.cameras.remove(["gate", "yard"], "monitor stopped", deadline)
        self.reporter.stop(deadline)
        self.dispatcher.stop(deadline)
        self.saver.stop(deadline)


@pytest.fixture
def running(classifier: Classifier, tmp_path: Path) -> Iterator[Running]:
    daemon = Running(classifier, tmp_path)
    yield daemon
    daemon.stop()


def test_a_drill_says_what_became_of_it_at_each_sink(running: Running) -> None:
    drill = running.ask("drill")
    assert drill["camera"] == "gate"
    assert drill["sinks"] == ["police", "far"]

    def deliveries() -> Any:
        found = running.ask("deliveries", incident=drill["incident"])["deliveries"]
        return None if any(one["state"] == "queued" for one in found) else found

    police, far = wait_for(deliveries)
    assert police["after_ms"] >= 0
    assert police == {**police, "sink": "police", "state": "delivered", "error": None}
    assert far == {"sink": "far", "state": "not routed", **NOTHING}


@pytest.mark.parametrize("incident", [None, "0191", 7, ["x"]])
def test_deliveries_of_what_is_no_incident_are_refused(running: Running, incident: Any) -> None:
    with pytest.raises(ControlError, match="give the id that drill returned"):
        running.ask("deliveries", incident=incident)
    assert running.ask("deliveries", incident=NO_ID)["deliveries"]


def test_a_silence_is_shown_and_is_no_fault_and_can_be_ended(running: Running) -> None:
    wait_for(lambda: all(c.state is CameraState.LIVE for c in running.cameras.all()))
    silences: Callable[[], Any] = lambda: running.health.status()["silences"]  # noqa: E731
    assert silences() == []
    assert running.ask("unsilence")["ended"] == []
    gate = running.ask("silence", camera="gate", for_s=600)
    everything = running.ask("silence", for_s=60)
    assert [one.pop("in_memory_only") for one in (gate, everything)] == [None, None]
    assert everything["camera"] is None
    assert datetime.fromisoformat(gate["until"]) > datetime.now(UTC) + timedelta(minutes=9)
    assert sorted(silences(), key=str) == sorted([gate, everything], key=str)
    assert running.health.status()["status"] == "ok"
    assert running.ask("unsilence", camera="yard")["ended"] == []
    assert running.ask("unsilence", camera="gate")["ended"] == ["gate"]
    assert silences() == [everything]
    assert running.ask("unsilence")["ended"] == [None]
    assert silences() == []


@pytest.mark.parametrize("for_s", [3.6e14, float("inf"), float("nan"), 10**400, -1, 0, "1h", None])
def test_a_silence_that_cannot_be_is_refused_and_the_longest_is_named(
    running: Running, for_s: Any
) -> None:
    with pytest.raises(ControlError, match="at most 8760h"):
        running.ask("silence", for_s=for_s)
    assert running.health.status()["silences"] == []
    assert running.ask("silence", for_s=8760 * 3600)["camera"] is None


def test_the_silence_of_a_camera_that_is_gone_can_be_ended(running: Running) -> None:
    running.dispatcher.cameras.silence("old", 3600)
    assert running.ask("unsilence", camera="old")["ended"] == ["old"]
    with pytest.raises(ControlError, match="there is no camera 'old'; cameras are gate, yard"):
        running.ask("unsilence", camera="old")


def test_what_was_refused_is_told_and_sent_again_or_dropped(running: Running) -> None:
    assert running.ask("outbox")["messages"] == []
    assert running.ask("outbox-retry") == {"count": 0}
    alert, other = make_alert(), make_alert()

    def refuse(_: Alert) -> None:
        raise RefusedError("the receiver does not know this camera")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RecordingSink, "deliver", lambda _, alert: refuse(alert))
        running.dispatcher.submit(alert)
        running.dispatcher.submit(other)
        wait_for(lambda: len(running.ask("outbox")["messages"]) == 2)
        wait_for(lambda: running.health.status()["sinks"][0]["refused"] == 2)
    entry = running.ask("outbox")["messages"][1]
    assert {key: entry[key] for key in ("state", "sink", "camera", "phase", "alert", "reason")} == {
        "state": "refused",
        "sink": "police",
        "camera": "gate",
        "phase": "opened",
        "alert": str(alert.alert_id),
        "reason": "the receiver does not know this camera",
    }
    assert datetime.fromisoformat(entry["at"]) <= datetime.now(UTC)
    for wrong in ([NO_ID], "all", [7]):
        for command in ("outbox-retry", "outbox-drop"):
            with pytest.raises(ControlError, match="is no alert that was refused"):
                running.ask(command, alerts=wrong)
    assert running.health.status()["sinks"][0]["refused"] == 2
    with capture_logs() as logs:
        dropped = running.ask("outbox-drop", alerts=[str(other.alert_id)])
    assert dropped == {"count": 1, "in_memory_only": None}
    assert [(line["sink"], line["alert"]) for line in logs] == [("police", str(other.alert_id))]
    assert running.ask("outbox-retry", alerts=[str(alert.alert_id)]) == {"count": 1}
    wait_for(lambda: running.health.status()["sinks"][0]["counts"].get("delivered"))
    assert running.ask("outbox")["messages"] == []
    assert running.ask("outbox-drop") == {"count": 0, "in_memory_only": None}


def test_what_waits_is_told_with_the_sinks_reason(running: Running) -> None:
    def fail(_: Alert) -> None:
        raise DeliveryError("the line is cut")

    alerts = [make_alert(camera="yard"), make_alert(camera="yard")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RecordingSink, "deliver", lambda _, alert: fail(alert))
        patch.setattr(outbox, "SHOWN", 1)
        for alert in alerts:
            running.dispatcher.submit(alert)
        wait_for(lambda: all(one.last_error for one in running.dispatcher.status()))
        found = running.ask("outbox")
    assert [(one["name"], one["waiting"]) for one in found["sinks"]] == [("police", 2), ("far", 2)]
    for sink_name, one in zip(("far", "police"), found["messages"], strict=True):
        assert (one["state"], one["sink"], one["camera"]) == ("waiting", sink_name, "yard")
        assert one["alert"] == str(alerts[0].alert_id)
        assert one["reason"] == "the line is cut"
        assert 0 <= one["age_s"] < 60


@pytest.mark.parametrize(
    ("command", "details"),
    [("drill", {}), ("silence", {"for_s": 60}), ("unsilence", {}), ("recalibrate", {})],
)
def test_a_camera_that_is_not_there_is_named_with_those_that_are(
    running: Running, command: str, details: dict[str, Any]
) -> None:
    with pytest.raises(ControlError, match="no camera 'gaet'; cameras are gate, yard"):
        running.ask(command, camera="gaet", **details)
    assert running.health.status()["silences"] == []


@pytest.mark.parametrize("command", ["drill", "silence", "unsilence", "recalibrate"])
@pytest.mark.parametrize("camera", [7, ["gate"], {"name": "gate"}, True])
def test_what_is_no_name_is_refused(running: Running, command: str, camera: Any) -> None:
    with pytest.raises(ControlError, match="is no camera; give its name as text"):
        running.ask(command, camera=camera, for_s=60)


@pytest.mark.parametrize("for_s", [None, "10", -1, 0, True, [], float("inf"), float("nan"), 1e300])
def test_a_silence_of_no_duration_is_refused(running: Running, for_s: Any) -> None:
    with pytest.raises(ControlError, match="a silence lasts more than 0 s and at most 8760h"):
        running.ask("silence", camera="gate", for_s=for_s)
    assert running.health.status()["silences"] == []


def test_by_a_sink_come_the_commands_of_one_camera_alone(running: Running) -> None:
    assert running.by_sink("silence", {"camera": "gate", "for_s": 60})["camera"] == "gate"
    assert running.by_sink("unsilence", {"camera": "gate"})["ended"] == ["gate"]
    assert running.by_sink("drill", {"camera": "yard"})["camera"] == "yard"
    for command, request in (
        ("silence", {"for_s": 60}),
        ("unsilence", {"camera": None}),
        ("recalibrate", {"camera": "gate"}),
        ("send-again", {"camera": "gate"}),
        ("drill", {"camera": "nowhere"}),
        ("silence", {"camera": "gate", "for_s": "long"}),
    ):
        with pytest.raises(ControlError):
            running.by_sink(command, request)
    assert running.dispatcher.cameras.silences() == {}


@pytest.fixture
def asking(classifier: Classifier, tmp_path: Path) -> Iterator[Running]:
    """With a sink that waits for an operator."""
    confirm = {"confirm": ConfirmSettings(within_s=600)}
    daemon = Running(classifier, tmp_path, sink("recording", "station").model_copy(update=confirm))
    yield daemon
    daemon.stop()


def opened(running: Running, camera: str = "gate") -> str:
    """An incident that has just opened, recorded and told; its id."""
    alert = make_alert(camera=camera)
    incident = Incident(
        alert.incident_id, camera, "violence", alert.opened_at, None, 0.8, Phase.OPENED
    )
    Journal(running.dispatcher.store).record(incident)
    running.dispatcher.submit(alert)
    return str(incident.id)


def outcome(running: Running) -> dict[str, int]:
    counts: dict[str, int] = running.health.status()["sinks"][2]["counts"]
    return counts


@pytest.mark.parametrize(
    ("command", "details", "result"),
    [
        ("confirm", {"note": "two men"}, "delivered"),
        ("dismiss", {"note": "dancing"}, "dismissed"),
        ("judge", {"verdict": "real"}, "delivered"),
        ("judge", {"verdict": "false-alarm"}, "dismissed"),
        ("judge", {"verdict": "exercise"}, "dismissed"),
    ],
)
def test_a_sink_that_waits_is_told_or_not_as_the_operator_says(
    asking: Running, command: str, details: dict[str, str], result: str
) -> None:
    incident = opened(asking)
    [waiting] = asking.health.status()["awaiting"]
    assert (waiting["incident"], waiting["sink"]) == (incident, "station")
    assert (waiting["camera"], waiting["then"]) == ("gate", "send")
    assert datetime.fromisoformat(waiting["until"]) > datetime.now(UTC) + timedelta(minutes=9)
    found = asking.ask("outbox")
    [message] = [one for one in found["messages"] if one["sink"] == "station"]
    assert message["state"] == "waiting for confirmation"
    assert found["sinks"][2]["awaiting"] == 1
    answer = asking.ask(command, incident=incident, by="kim", **details)
    assert answer["in_memory_only"] is None
    wait_for(lambda: outcome(asking) == {result: 1})
    assert asking.health.status()["awaiting"] == []
    records = [one for _, one in local.waiting(asking.dispatcher.store.read, "", 100).pending]
    [audit] = [one for one in records if isinstance(one, AuditEntry)]
    assert (audit.who, audit.action, audit.target) == ("kim", command, incident)
    if command != "judge":
        assert (answer["sinks"], answer["ahead"]) == (["station"], [])
        assert audit.reason == details["note"]


def test_who_comes_too_late_or_names_nothing_is_told_so(asking: Running) -> None:
    incident = opened(asking)
    asking.ask("confirm", incident=incident)
    wait_for(lambda: outcome(asking) == {"delivered": 1})
    for command in ("confirm", "dismiss"):
        with pytest.raises(ControlError, match="it was sent or dropped already"):
            asking.ask(command, incident=incident)
        with pytest.raises(ControlError, match="there is no incident"):
            asking.ask(command, incident=NO_ID)
        with pytest.raises(ControlError, match="is no incident"):
            asking.ask(command, incident="the last one")


def test_by_a_sink_only_incidents_of_the_named_camera_are_settled(asking: Running) -> None:
    incident = opened(asking, "gate")
    with pytest.raises(ControlError, match="there is no incident"):
        asking.by_sink("dismiss", {"camera": "yard", "incident": incident})
    with pytest.raises(ControlError, match="is not run for a sink"):
        asking.by_sink("judge", {"camera": "gate", "incident": incident, "verdict": "real"})
    assert len(asking.health.status()["awaiting"]) == 1
    asking.by_sink("confirm", {"camera": "gate", "incident": incident})
    wait_for(lambda: outcome(asking) == {"delivered": 1})


def test_a_verdict_is_kept_with_who_gave_it_and_every_change_is_in_the_audit(
    running: Running,
) -> None:
    opened = make_alert()
    incident = Incident(
        opened.incident_id, "gate", "violence", opened.opened_at, None, 0.8, Phase.OPENED
    )
    Journal(running.dispatcher.store).record(incident)
    key = str(incident.id)
    answer = running.ask("judge", incident=key, verdict="real", note="two men", by="kim")
    assert answer == {"incident": key, "verdict": "real", "in_memory_only": None}
    running.ask("silence", camera="gate", for_s=60, by="lee", reason="welding")
    running.ask("unsilence")
    running.ask("recalibrate", camera="yard")
    running.ask("drill")
    found = local.waiting(running.dispatcher.store.read, "", 100)
    records = [record for _, record in found.pending]
    [judgement] = [one for one in records if isinstance(one, Judgement)]
    assert (judgement.verdict, judgement.note, judgement.by) == (Verdict.REAL, "two men", "kim")
    audit = [one for one in records if isinstance(one, AuditEntry)]
    assert [(one.action, one.target, one.who) for one in audit] == [
        ("judge", key, "kim"),
        ("silence", "gate", "lee"),
        ("unsilence", "", "somebody at the control socket"),
        ("recalibrate", "yard", "somebody at the control socket"),
        ("drill", "gate", "somebody at the control socket"),
    ]
    assert audit[0].reason == "real"
    assert audit[1].reason.endswith("; welding")


def test_a_verdict_teaches_its_camera_and_is_on_disk_once_it_is_answered(
    running: Running, classifier: Classifier, tmp_path: Path
) -> None:
    incident = opened(running)
    calibrator = running.cameras.by_name("gate")._judge.calibrators["violence"]
    calibrator.alarmed(UUID(incident), 0.9)
    for verdict in ("false-alarm", "real", "false-alarm"):
        assert running.ask("judge", incident=incident, verdict=verdict)["in_memory_only"] is None
    gate = running.cameras.by_name("gate").camera
    [learnt] = CalibrationStore(tmp_path, classifier.sidecar).load(gate).values()
    [alarm] = learnt.days[-1].alarms.values()
    assert alarm.is_false


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ({"incident": "the last one", "verdict": "real"}, "jikimi incidents --json"),
        ({"incident": None, "verdict": "real"}, "is no incident"),
        ({"incident": NO_ID, "verdict": "real"}, "there is no incident"),
        ({"incident": NO_ID, "verdict": "maybe"}, "give one of real, false-alarm, exercise"),
    ],
)
def test_a_verdict_on_nothing_is_refused(
    running: Running, request_: dict[str, Any], said: str
) -> None:
    with pytest.raises(ControlError, match=said):
        running.ask("judge", **request_)


def test_an_export_is_in_the_audit_once_it_is_answered(running: Running) -> None:
    incidents = [NO_ID, "another"]
    answer = running.ask("audit-export", incidents=incidents, reason="court", by="kim")
    assert answer == {"in_memory_only": None}
    records = [one for _, one in local.waiting(running.dispatcher.store.read, "", 100).pending]
    audit = [one for one in records if isinstance(one, AuditEntry)]
    assert [(one.who, one.action, one.target, one.reason) for one in audit] == [
        ("kim", "export", incident, "court") for incident in incidents
    ]
    with pytest.raises(ControlError, match="must be a list of ids"):
        running.ask("audit-export", incidents=NO_ID, reason="court")


def test_a_note_that_no_database_takes_is_kept_all_the_same(running: Running) -> None:
    incident = Incident(
        make_alert().incident_id, "gate", "violence", datetime.now(UTC), None, 0.8, Phase.OPENED
    )
    Journal(running.dispatcher.store).record(incident)
    answer = running.ask(
        "judge", incident=str(incident.id), verdict="exercise", note="a\ud800b", by="김"
    )
    assert answer["in_memory_only"] is None
    with pytest.raises(ControlError, match="at most 2000 characters"):
        running.ask("judge", incident=str(incident.id), verdict="exercise", note="x" * 9999)
