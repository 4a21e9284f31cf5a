"""What a box of a cluster leaves goes to the next box of its camera, over a real PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from alerting import make_alert, sink, wait_for
from prometheus_client import CollectorRegistry
from sqlalchemy import create_engine, make_url, select

from alerts.deadline import Deadline
from alerts.dispatcher import Dispatcher
from alerts.metrics import AlertMetrics
from config.settings import CameraSettings, ConfirmSettings
from config.urls import StreamUrl
from detector.console.monitor import Zones
from detector.daemon.alerting import IncidentReport
from detector.daemon.calibration_store import CalibrationStore
from detector.daemon.handover.claims import CLAIMS, write_claims
from detector.daemon.handover.turns import Turns
from detector.daemon.journal import OUTBOX, Journal, LeftOpen
from detector.daemon.operators.zones import ZONES, DrawnZones
from detector.daemon.reporter import IncidentReporter
from detector.incidents.calibration import LEVELS, Day, Learnt
from detector.inference.weights import Classifier
from detector.journal import claims, handover, tables
from detector.journal.database import open_journal
from detector.journal.feeder import JournalFeeder
from detector.journal.reading import JournalReader
from detector.types import Claim, Incident
from journal_feeding import asked, closed, journalled, opened
from servers.postgresql import PostgresqlServer

pytestmark = pytest.mark.slow

NUMBERS = count()
GATE = CameraSettings(name="gate", url=StreamUrl.parse("pattern://calm"), site="s")
LEARNT = {"violence": Learnt((Day(3.5, np.arange(len(LEVELS))[::-1]),), 0.61)}
LEFT = [(0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)]


class Box:
    """The parts of a daemon that take part, with sinks `desk` and `police` that write files.

    The police's can be written once its folder is made.
    """

    def __init__(self, folder: Path, name: str, journal: str, classifier: Classifier) -> None:
        self.folder = folder / name
        self.folder.mkdir(exist_ok=True)
        self.name = name
        self.where = journal
        metrics = AlertMetrics(CollectorRegistry())
        sinks = [
            sink("recording", "desk", path=folder / "desk"),
            sink("recording", "police", path=folder / "station" / "police"),
            sink("recording", "chief", path=folder / "chief").model_copy(
                update={"confirm": ConfirmSettings(within_s=3600, then="drop")}
            ),
            sink("siren", command=["/no/such/program"]),
        ]
        self.dispatcher = Dispatcher(sinks, self.folder / OUTBOX, metrics)
        self.store = self.dispatcher.store
        self.journal = Journal(self.store)
        self.reader = JournalReader(journal, self.store.read)
        self.zones = DrawnZones(self.folder / ZONES)
        self.turns = Turns(
            self.folder,
            self.dispatcher,
            self.journal,
            lambda: self.reader,
            self.zones,
            self.tell,
            shared=True,
        )
        self.calibrations = CalibrationStore(
            self.folder / "calibration",
            classifier.sidecar,
            saved=self.turns.carrying.calibrated,
        )
        self.reporter = IncidentReporter(
            self.journal, self.dispatcher.submit, claim=self.turns.claims.of
        )
        self.feeder = JournalFeeder(self.store, self.folder / OUTBOX, journal, self.turns.look)
        self.dispatcher.start()
        self.reporter.start()
        self.feeder.start()

    def tell(self, left: LeftOpen, reason: str) -> None:
        """As the daemon does, but of what nobody was told."""
        assert left.told
        self.reporter.report(IncidentReport(left.incident, GATE, reason=reason))

    def given(self, **epochs: int) -> None:
        """These cameras are its turn from now on."""
        write_claims(self.folder / CLAIMS, self.name, epochs)
        self.turns.begin(list(epochs), self.calibrations)
        self.turns.succeed(list(epochs))

    def claim(self, camera: str, epoch: int) -> None:
        """Claim it, as the coordinator does, before this box knows."""
        engine = open_journal(self.where)
        with engine.begin() as connection:
            claims.claim(connection, {camera: Claim(self.name, epoch)}, datetime.now(UTC))
        engine.dispose()

    def sees(self, incident: Incident) -> None:
        self.reporter.report(IncidentReport(incident, GATE))
        assert self.reporter.flush(20)

    def waits(self) -> set[str]:
        """Sinks for which something waits."""
        return {name for (name,) in self.store.read("SELECT sink FROM queue")}

    def dies(self) -> None:
        """Its journal hears of nothing any more, nor do its sinks."""
        self.feeder.stop(Deadline.after(20))
        self.dispatcher.stop(Deadline.after(20))
        self.reporter.stop(Deadline.after(20))
        self.reader.close()


Make = Callable[[str], Box]


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresqlServer]:
    with PostgresqlServer() as server:
        yield server


@pytest.fixture
def journal(postgresql: PostgresqlServer) -> str:
    """With its tables, empty."""
    url = postgresql.fresh_database(f"handover{next(NUMBERS)}")
    open_journal(url).dispose()
    return url


@pytest.fixture
def box(tmp_path: Path, journal: str, classifier: Classifier) -> Iterator[Make]:
    made: list[Box] = []

    def make(name: str) -> Box:
        made.append(Box(tmp_path, name, journal, classifier))
        return made[-1]

    yield make
    for one in made:
        one.dies()


def told(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def copies(journal: str) -> dict[str, tuple[str, int]]:
    """By sink, box and epoch of what waits, as the journal has it."""
    rows = tables.undelivered
    query = select(rows.c.sink, rows.c.box, rows.c.epoch)
    return {sink: (box, epoch) for sink, box, epoch in asked(journal, lambda c: c.execute(query))}


def test_an_incident_that_a_box_left_open_is_closed_and_what_waits_is_delivered_by_the_next(
    box: Make, journal: str, tmp_path: Path
) -> None:
    a = box("a")
    a.given(gate=7)
    incident = opened(datetime.now(UTC))
    a.sees(incident)
    wait_for(lambda: copies(journal).keys() == {"police", "chief"})
    wait_for(lambda: journalled(journal) and not a.store.read("SELECT 1 FROM pending"))
    a.dies()
    [first] = told(tmp_path / "desk")
    assert (first["phase"], first["box"], first["epoch"]) == ("opened", "a", 7)
    (tmp_path / "station").mkdir()

    b = box("b")
    b.given(gate=8)
    wait_for(lambda: len(told(tmp_path / "desk")) == 2)
    wait_for(lambda: len(told(tmp_path / "station/police")) == 2)
    for path in (tmp_path / "desk", tmp_path / "station/police"):
        begin, end = told(path)
        assert begin["alert_id"] == first["alert_id"]
        assert (end["incident_id"], end["phase"]) == (str(incident.id), "closed")
        assert (end["box"], end["epoch"]) == ("b", 8)
        assert (end["reason"], end["sequence"]) == ("watched by b from now on", 1)
    wait_for(lambda: b.waits() - {"siren"} == {"chief"})  # who waits for an operator
    [(until, unconfirmed)] = b.store.read(
        "SELECT retry_at, unconfirmed FROM queue WHERE sink = 'chief' AND phase = 'opened'"
    )
    assert (unconfirmed, abs(until - b.store.clock.now() - 3600) < 60) == ("drop", True)
    wait_for(lambda: copies(journal) == {"chief": ("b", 8)})
    wait_for(lambda: journalled(journal)[incident.id].closed_at)
    assert journalled(journal)[incident.id].epoch == 7
    b.dies()

    box("a")  # the same, started again
    wait_for(lambda: len(told(tmp_path / "station/police")) == 3)
    assert told(tmp_path / "station/police")[2]["alert_id"] == first["alert_id"]


def test_what_is_delivered_leaves_the_journal_and_what_is_for_hardware_is_not_there(
    box: Make, journal: str, tmp_path: Path
) -> None:
    a = box("a")
    a.given(gate=7)
    alert = make_alert()
    assert set(a.dispatcher.submit(alert)) == {"desk", "police", "chief", "siren"}
    wait_for(lambda: copies(journal))
    assert copies(journal).keys() == {"police", "chief"}
    assert a.waits() == {"police", "chief", "siren"}
    (tmp_path / "station").mkdir()
    wait_for(lambda: copies(journal).keys() == {"chief"}, 60)
    a.dispatcher.confirming.confirm(alert.incident_id)
    wait_for(lambda: copies(journal) == {}, 60)


def test_the_siren_of_a_box_that_is_named_is_for_the_next_box_to_tell_as_well(
    box: Make, journal: str
) -> None:
    a, b = box("a"), box("b")
    named = sink("siren", "quay", command=["/no/such/program"], box="harbour")
    for one in (a, b):
        one.dispatcher.reconfigure(
            [named, sink("siren", command=["/no/such/program"])], Deadline.after(9)
        )
    a.given(gate=7)
    a.sees(opened(datetime.now(UTC)))
    wait_for(lambda: copies(journal) == {"quay": ("a", 7)})
    a.dies()
    b.given(gate=8)
    wait_for(lambda: b.waits() == {"quay"})


def test_two_boxes_never_take_the_same_alert_at_once(box: Make, journal: str) -> None:
    a = box("a")
    a.given(gate=7)
    a.sees(opened(datetime.now(UTC)))
    wait_for(lambda: copies(journal).keys() == {"police", "chief"})
    engine = create_engine(make_url(journal).set(drivername="postgresql+psycopg"))
    turns = {"gate": Claim("b", 8)}
    with engine.begin() as one, engine.begin() as other:
        assert len(handover.undelivered(one, turns)) == 2
        assert handover.undelivered(other, turns) == []
        assert handover.undelivered(one, {"gate": Claim("b", 7)}) == []
        assert handover.undelivered(one, {"yard": Claim("b", 9)}) == []
    engine.dispose()


def test_a_box_whose_turn_is_over_already_takes_nothing(box: Make, journal: str) -> None:
    a, b, c = box("a"), box("b"), box("c")
    a.given(gate=7)
    incident = opened(datetime.now(UTC))
    a.sees(incident)
    wait_for(lambda: copies(journal).keys() == {"police", "chief"} and journalled(journal))
    c.claim("gate", 9)
    b.given(gate=8)
    wait_for(lambda: not b.turns.succession._begun)
    assert b.waits() == set()
    assert journalled(journal)[incident.id].closed_at is None


def test_what_is_closed_already_is_told_no_other_end(
    box: Make, journal: str, tmp_path: Path
) -> None:
    a, b = box("a"), box("b")
    a.given(gate=7)
    incident = opened(datetime.now(UTC))
    a.sees(incident)
    a.sees(closed(incident))
    wait_for(lambda: any(one.closed_at for one in journalled(journal).values()))
    b.given(gate=8)
    wait_for(lambda: not b.turns.succession._begun)
    phases = [one["phase"] for one in told(tmp_path / "desk")]
    assert phases == ["opened", "closed"]


def test_thresholds_zones_and_silences_go_along(
    box: Make, journal: str, classifier: Classifier
) -> None:
    a = box("a")
    a.given(gate=7, yard=7)
    a.calibrations.save(GATE, LEARNT)
    a.zones.put("gate", Zones(ignore=[LEFT]), "kim")
    a.turns.carrying.zones_drawn("gate")
    a.dispatcher.cameras.silence("gate", 3600)
    a.turns.carrying.silenced(["gate", "yard"])
    wait_for(lambda: not a.store.read("SELECT 1 FROM pending"))
    a.dies()

    b = box("b")
    b.dispatcher.cameras.silence("yard", 60)
    b.given(gate=8, yard=8)
    assert b.calibrations.load(GATE)["violence"].level == 0.61
    assert json.loads(b.zones.body("gate"))["ignore"] == [[list(point) for point in LEFT]]
    [(camera, until)] = b.dispatcher.cameras.silences().items()
    assert camera == "gate"
    assert abs(until - datetime.now(UTC) - timedelta(hours=1)) < timedelta(minutes=2)
    b.dispatcher.cameras.unsilence("gate")
    b.turns.carrying.silenced(["gate"])
    b.zones.put("gate", None, "kim")
    b.turns.carrying.zones_drawn("gate")
    wait_for(lambda: not b.store.read("SELECT 1 FROM pending"))

    c = box("c")
    c.given(gate=9)
    assert c.calibrations.load(GATE)["violence"].level == 0.61
    assert c.zones.names() == []
    assert c.dispatcher.cameras.silences() == {}


def test_a_journal_that_is_away_holds_up_no_camera(
    box: Make, postgresql: PostgresqlServer, journal: str
) -> None:
    a = box("a")
    a.given(gate=7)
    a.calibrations.save(GATE, LEARNT)
    incident = opened(datetime.now(UTC))
    a.sees(incident)
    wait_for(lambda: copies(journal).keys() == {"police", "chief"})
    b = box("b")
    postgresql.stop()
    try:
        b.given(gate=8)
        assert b.calibrations.load(GATE) == {}
    finally:
        postgresql.start()
    wait_for(lambda: b.waits() >= {"police", "chief"}, 60)


def test_one_damaged_handover_does_not_keep_the_others_away(box: Make, journal: str) -> None:
    a = box("a")
    a.given(gate=7)
    a.turns.carrying.calibrated("gate", "{")
    a.zones.put("gate", Zones(ignore=[LEFT]), "kim")
    a.turns.carrying.zones_drawn("gate")
    wait_for(lambda: not a.store.read("SELECT 1 FROM pending"))
    b = box("b")
    b.given(gate=8)
    assert b.zones.names() == ["gate"]
    assert b.calibrations.load(GATE) == {}


def test_a_box_by_itself_hands_nothing_over(box: Make, journal: str) -> None:
    alone = box("alone")
    alone.sees(opened(datetime.now(UTC)))
    alone.calibrations.save(GATE, LEARNT)
    wait_for(lambda: journalled(journal))
    alone.dies()
    assert copies(journal) == {}
    assert asked(journal, lambda c: c.execute(select(tables.handovers)).all()) == []
