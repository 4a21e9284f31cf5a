"""The release before this one reads what this one wrote, and the other way round."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alerting import PICTURE, StoredOutbox, follow_up, make_alert

from alerts.admission import Stage
from alerts.deadline import Deadline
from alerts.message import AlertPhase
from alerts.storage.silences import silence, silences

KNOWN = {
    "schema_version", "alert_id", "incident_id", "sequence", "phase", "exercise", "late", "label",
    "score", "camera", "site", "location", "station", "opened_at", "sent_at", "reason", "links",
}  # fmt: skip
"""What the release before takes: an alert with one more field held up its sink for good."""

OPENED, CLOSED = AlertPhase.OPENED, AlertPhase.CLOSED

# What the release before executes, word for word.
PUT_ALERT = "INSERT OR IGNORE INTO alert VALUES (?, ?, ?, ?)"
PUT_QUEUE = (
    "INSERT OR IGNORE INTO queue (sink, alert_id, incident_id, phase, sent_at)"
    " VALUES (?, ?, ?, ?, ?)"
)
PUT_STAGE = "INSERT OR REPLACE INTO stage VALUES (?, ?, ?, ?)"
PUT_DELIVERED = (
    "INSERT INTO delivered VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET at = max(at, excluded.at)"
)
PUT_SILENCE = "INSERT OR REPLACE INTO silence VALUES (?, ?)"
DELIVERED = "DELETE FROM queue WHERE sink = ? AND alert_id = ?"
FORGET = (
    "DELETE FROM alert WHERE alert_id = ?1 AND NOT EXISTS (SELECT 1 FROM queue WHERE alert_id = ?1)"
)
NEXT = "SELECT alert_id, phase, attempts FROM queue WHERE sink = ? ORDER BY position LIMIT 1"


def test_going_back_and_forth_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite"
    outbox = StoredOutbox(path)
    first, refused, theirs = make_alert(image=PICTURE), make_alert(), make_alert()
    outbox.put(refused, {"station": OPENED}, 1e9)
    message = outbox.next_due("station", 1e9)
    assert message
    outbox.refuse(message, "no")
    outbox.put(first, {"station": OPENED}, 1e9, {"station": Stage.TOLD})
    silence(outbox.store, "gate", 4e9)
    assert outbox.store.file.flush() is None
    outbox.close(Deadline.after(5))

    with closing(sqlite3.connect(path)) as old, old:
        assert old.execute("PRAGMA user_version").fetchone() == (1,)
        assert old.execute(NEXT, ("station",)).fetchone() == (str(first.alert_id), "opened", 0)
        key, incident = str(theirs.alert_id), str(theirs.incident_id)
        old.execute(PUT_ALERT, (key, 0, theirs.model_dump_json(exclude={"image"}), None))
        old.execute(PUT_QUEUE, ("station", key, incident, "opened", 1e9))
        old.execute(PUT_STAGE, ("station", incident, "told", 1e9))
        old.execute(PUT_DELIVERED, ("station", "gate", 1e9))
        old.execute(PUT_SILENCE, ("door", 4e9))

    outbox = StoredOutbox(path)
    closed = follow_up(theirs, CLOSED, 1)
    outbox.put(closed, {"station": CLOSED}, 1e9)
    assert [one.alert for one in outbox.refused()] == [refused]
    outbox.send_again(None)
    got = []
    while message := outbox.next_due("station", 4e9):
        got.append(message.alert)
        outbox.acknowledge(message)
    assert got == [refused, first, theirs, closed]
    assert silences(outbox.store, 0) == {"gate": 4e9, "door": 4e9}
    assert outbox.stage("station", incident) is Stage.TOLD
    assert outbox.delivered_at("station", "gate") == 1e9
    outbox.close(Deadline.after(5))


def test_what_one_sink_refused_stays_when_the_release_before_delivers_it_to_another(
    tmp_path: Path,
) -> None:
    path = tmp_path / "outbox.sqlite"
    outbox = StoredOutbox(path)
    alert = make_alert(image=PICTURE)
    outbox.put(alert, {"station": OPENED, "hook": OPENED}, 1e9)
    message = outbox.next_due("station", 1e9)
    assert message
    outbox.refuse(message, "no")
    outbox.close(Deadline.after(5))

    with closing(sqlite3.connect(path)) as old, old:
        key = str(alert.alert_id)
        assert old.execute(NEXT, ("hook",)).fetchone() == (key, "opened", 0)
        old.execute(DELIVERED, ("hook", key))
        old.execute(FORGET, (key,))

    outbox = StoredOutbox(path)
    assert outbox.next_due("hook", 4e9) is None
    assert [(one.sink, one.alert) for one in outbox.refused()] == [("station", alert)]
    outbox.send_again(None)
    message = outbox.next_due("station", 4e9)
    assert message
    outbox.acknowledge(message)
    assert outbox.store.file.flush() is None
    outbox.close(Deadline.after(5))
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("SELECT count(*) FROM alert").fetchone() == (0,)


@pytest.mark.parametrize("epochs", [True, False])
def test_what_a_release_kept_with_each_incident_is_taken_over(tmp_path: Path, epochs: bool) -> None:
    path = tmp_path / "outbox.sqlite"
    StoredOutbox(path).close(Deadline.after(5))
    with closing(sqlite3.connect(path)) as old, old:
        old.execute("DROP TABLE incident_details")
        old.execute("DROP TRIGGER IF EXISTS incident_details_end")
        old.execute("ALTER TABLE incidents ADD COLUMN site TEXT")
        old.execute("ALTER TABLE incidents ADD COLUMN journalled INTEGER NOT NULL DEFAULT 0")
        old.execute(
            "CREATE INDEX incidents_pending ON incidents (id)"
            " WHERE CAST(journalled AS INTEGER) < messages"
        )
        row = ("one", "gate", "violence", "2026-11-28", None, 0.9, None, 4, "yard", 3)
        if epochs:
            old.execute("ALTER TABLE incidents ADD COLUMN epoch INTEGER")
            row = (*row, 7)
        old.execute(f"INSERT INTO incidents VALUES ({', '.join('?' * len(row))})", row)

    outbox = StoredOutbox(path)
    (whole,) = outbox.store.read("SELECT * FROM incidents JOIN incident_details USING (id)")
    assert whole == (*row, None)[:11]
    outbox.close(Deadline.after(5))
    with closing(sqlite3.connect(path)) as old, old:  # as one before both writes and deletes
        marks = ("two", "gate", "violence", "2026-11-29", None, 0.9, None, 1)
        old.execute("INSERT INTO incidents VALUES (?, ?, ?, ?, ?, ?, ?, ?)", marks)
        old.execute("DELETE FROM incidents WHERE id = 'one'")
        assert old.execute("SELECT count(*) FROM incident_details").fetchone() == (0,)


def test_an_alert_has_no_field_that_the_release_before_refuses_and_none_is_lost(
    tmp_path: Path,
) -> None:
    path = tmp_path / "outbox.sqlite"
    outbox = StoredOutbox(path)
    alert = make_alert(image=PICTURE, verified=True, box="b1", epoch=3)
    plain = make_alert()
    for one in (alert, plain):
        outbox.put(one, {"station": OPENED, "hook": OPENED}, 1e9)
    outbox.close(Deadline.after(5))

    with closing(sqlite3.connect(path)) as old, old:
        for (body,) in old.execute("SELECT body FROM alert"):
            assert json.loads(body).keys() == KNOWN
        for one in (alert, plain):
            old.execute(DELIVERED, ("hook", str(one.alert_id)))
            old.execute(FORGET, (str(one.alert_id),))

    outbox = StoredOutbox(path)
    got = []
    while message := outbox.next_due("station", 4e9):
        got.append(message.alert)
        outbox.acknowledge(message)
    assert got == [alert, plain]
    outbox.close(Deadline.after(5))
    with closing(sqlite3.connect(path)) as file:
        for table in ("alert", "alert_details"):
            assert file.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)
