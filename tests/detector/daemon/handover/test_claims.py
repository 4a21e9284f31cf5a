"""An incident and its alert carry by which claim the camera was watched."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from uuid_utils.compat import uuid7

from alerts.deadline import Deadline
from alerts.message import Alert
from config.settings import CameraSettings
from config.urls import StreamUrl
from detector.daemon.alerting import IncidentReport
from detector.daemon.handover.claims import CLAIMS, Claims, write_claims
from detector.daemon.reporter import IncidentReporter
from detector.types import Claim, Incident, Phase
from journals import StoredJournal

GATE = CameraSettings(name="gate", url=StreamUrl.parse("pattern://calm"), site="s")


def test_a_box_by_itself_has_no_claims(tmp_path: Path) -> None:
    assert Claims(tmp_path / CLAIMS).of("gate") is None


def test_new_claims_count_from_the_next_reading_and_those_of_cameras_gone_stay(
    tmp_path: Path,
) -> None:
    path = tmp_path / CLAIMS
    write_claims(path, "a", {"gate": 5, "yard": 6})
    claims = Claims(path)
    write_claims(path, "a", {"gate": 9})
    assert claims.of("gate") == Claim("a", 5)
    claims.read()
    assert claims.of("gate") == Claim("a", 9)
    assert claims.of("yard") == Claim("a", 6)


def test_elsewhere_is_what_the_configuration_has_and_this_box_has_not(tmp_path: Path) -> None:
    path = tmp_path / CLAIMS
    write_claims(path, "a", {"gate": 5, "yard": 6}, {"gate": "n", "yard": "n", "quay": "n"})
    claims = Claims(path)
    assert claims.elsewhere == {"quay"}
    write_claims(path, "a", {"gate": 5}, {"gate": "n", "yard": "n"})
    claims.read()
    assert claims.elsewhere == {"yard"}
    # Its old topics are at the old site, and nobody's but this box's.
    write_claims(path, "a", {}, {"gate": "south", "yard": "n"})
    claims.read()
    assert claims.elsewhere == {"yard"}
    claims.read()
    assert claims.elsewhere == {"yard", "gate"}


@pytest.mark.parametrize(
    "damaged", ["", "{", '{"box": 3}', '{"box": "a", "epochs": {"gate": "x"}}']
)
def test_a_damaged_file_changes_nothing(tmp_path: Path, damaged: str) -> None:
    path = tmp_path / CLAIMS
    write_claims(path, "a", {"gate": 5})
    claims = Claims(path)
    path.write_text(damaged)
    claims.read()
    assert claims.of("gate") == Claim("a", 5)


@pytest.mark.parametrize("claim", [None, Claim("b", 12)])
def test_alert_and_incident_carry_box_and_epoch(tmp_path: Path, claim: Claim | None) -> None:
    journal = StoredJournal(tmp_path)
    told: list[Alert] = []

    def submit(alert: Alert, context: Any, entry: Any) -> list[str]:
        told.append(alert)
        journal.store.write(entry)
        return []

    reporter = IncidentReporter(journal, submit, claim=lambda _: claim)
    reporter.start()
    now = datetime.now(UTC)
    incident = Incident(uuid7(), "gate", "violence", now, None, 0.8, Phase.OPENED)
    reporter.report(IncidentReport(incident, GATE))
    assert reporter.flush(10)
    assert (told[0].box, told[0].epoch) == ((claim.box, claim.epoch) if claim else (None, None))
    [(epoch,)] = journal.store.read("SELECT epoch FROM incident_details")
    assert epoch == (claim.epoch if claim else None)
    reporter.stop(Deadline.after(10))
    journal.close(Deadline.after(10))
