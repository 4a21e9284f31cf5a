"""What the local store has gets into the journal, whatever happens to either."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from alerting import wait_for
from sqlalchemy import select
from uuid_utils.compat import uuid7

from alerts.storage import copying
from detector.daemon.journal import OUTBOX
from detector.journal import feeder, queries, tables
from detector.journal.records import DeliveryRecord, Outcome, Verdict
from detector.types import Phase
from journal_feeding import NOW, MakeFeeding, closed, deliver, journalled, opened


def test_an_incident_and_what_became_of_its_alerts_get_there(feeding: MakeFeeding) -> None:
    at = feeding()
    first, second = opened(), opened(NOW + timedelta(seconds=5), "yard")
    for incident in (first, second, closed(first)):
        at.incidents.record(incident, "camera offline" if incident.closed_at else None)
    deliver(at.outbox, "station", first)
    at.wait_fed()
    found = journalled(at.where)
    assert found[first.id].closed_at == closed(first).closed_at
    assert found[first.id].reason == "camera offline"
    assert found[first.id].peak == 0.95
    assert found[second.id].closed_at is None
    details = at.asked(lambda connection: queries.incident(connection, first.id))
    assert details
    [told] = details.deliveries
    assert (told.sink, told.outcome, told.attempts) == ("station", Outcome.DELIVERED, 1)


def test_a_later_state_is_never_undone_by_an_earlier_one(feeding: MakeFeeding) -> None:
    at = feeding()
    incident = opened()
    at.incidents.record(incident)
    at.incidents.record(replace(incident, peak=0.9, phase=Phase.UPDATED))
    at.wait_fed()
    before = journalled(at.where)[incident.id]
    # What a kill leaves in the store: an earlier state, which it does not know to be written.
    for kill in (
        "UPDATE incidents SET messages = 1, peak = 0.8",
        "UPDATE incident_details SET journalled = 0",
    ):
        at.store.write(lambda database, kill=kill: database.execute(kill))
    at.wait_fed()
    assert journalled(at.where)[incident.id] == before
    at.incidents._messages[incident.id] = 1  # the start after that closes it
    at.incidents.record(closed(incident), "monitor restarted")
    at.wait_fed()
    assert journalled(at.where)[incident.id].reason == "monitor restarted"


def test_verdicts_are_all_kept_and_the_newest_counts_though_the_clock_was_set_back(
    feeding: MakeFeeding,
) -> None:
    at = feeding()
    incident = opened()
    at.incidents.record(incident)
    first = at.recorder.judge(incident.id, Verdict.REAL, "two men\0", "kim")
    at.wait_fed()
    second = at.recorder.judge(incident.id, Verdict.FALSE_ALARM, "용접", "lee")
    back = replace(second, id=uuid7(), at=second.at - timedelta(hours=1), order=second.order + 1)
    at.recorder.record(back)
    at.wait_fed()
    details = at.asked(lambda connection: queries.incident(connection, incident.id))
    assert details
    assert [one.id for one in details.judgements] == [back.id, second.id, first.id]
    assert details.incident.judgement == back
    assert details.judgements[-1].note == "two men\N{REPLACEMENT CHARACTER}"
    said = at.asked(queries.audit)
    assert {(one.who, one.action, one.target) for one in said} == {
        ("kim", "judge", str(incident.id)),
        ("lee", "judge", str(incident.id)),
    }


def test_an_alert_that_was_refused_and_sent_again_counts_as_delivered(feeding: MakeFeeding) -> None:
    at = feeding()
    incident = opened()
    deliver(at.outbox, "station", incident)
    at.wait_fed()
    [told] = at.asked(lambda connection: connection.execute(select(tables.deliveries)).all())
    record = {**told._mapping, "outcome": Outcome.REFUSED, "reason": "no", "alert_id": uuid7()}
    refused = DeliveryRecord(**record)
    at.recorder.record(refused)
    at.wait_fed()
    again = replace(refused, outcome=Outcome.LATE, reason=None, at=refused.at - timedelta(hours=1))
    at.recorder.record(again)
    at.wait_fed()
    at.recorder.record(refused)  # what a kill has written twice
    at.wait_fed()
    rows = at.asked(lambda connection: connection.execute(select(tables.deliveries)).all())
    assert {row.alert_id: row.outcome for row in rows}[refused.alert_id] == "late"


def test_what_a_release_before_this_one_wrote_is_taken_over_beyond_what_memory_holds(
    feeding: MakeFeeding, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "MAX_INCIDENTS", 70)
    monkeypatch.setattr(feeder, "BATCH", 50)
    make_old_store(tmp_path / OUTBOX, 160)
    at = feeding()
    at.wait_fed()
    wait_for(lambda: len(journalled(at.where)) == 160)


# What a release before executes, word for word.
OLD_RECORD = """
INSERT INTO incidents VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET closed_at = excluded.closed_at, peak = excluded.peak,
    reason = excluded.reason, messages = excluded.messages
"""


def test_what_the_release_before_writes_after_a_roll_back_gets_there_once_this_one_is_back(
    feeding: MakeFeeding, tmp_path: Path
) -> None:
    at = feeding()
    ours, theirs = opened(), opened(camera="yard")
    at.incidents.record(ours)
    at.wait_fed()
    at.stop()
    end = (NOW + timedelta(seconds=9)).isoformat()
    with closing(sqlite3.connect(tmp_path / OUTBOX)) as old, old:
        for one, camera, count in ((ours, "gate", 2), (theirs, "yard", 1)):
            begin = one.opened_at.isoformat()
            row = (str(one.id), camera, "violence", begin, end, 0.99, "monitor restarted", count)
            old.execute(OLD_RECORD, row)
    again = feeding()
    again.wait_fed()
    found = journalled(again.where)
    assert {one.id: one.closed_at for one in found.values()} == dict.fromkeys(
        (ours.id, theirs.id), NOW + timedelta(seconds=9)
    )


def make_old_store(path: Path, count: int) -> None:
    """A store with incidents, as the release before this one made it."""
    with closing(sqlite3.connect(path)) as database, database:
        database.executescript(OLD_TABLES)
        at = NOW
        for number in range(count):
            at += timedelta(seconds=1)
            end = (at + timedelta(seconds=5)).isoformat()
            values = (str(uuid7()), f"camera-{number % 9}", "violence", at.isoformat(), end)
            database.execute("INSERT INTO incidents VALUES (?, ?, ?, ?, ?, 0.9, NULL, 2)", values)


OLD_TABLES = """
CREATE TABLE alert (
    alert_id TEXT PRIMARY KEY, image_bytes INTEGER NOT NULL, body TEXT NOT NULL, image BLOB
);
CREATE TABLE queue (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    sink TEXT NOT NULL, alert_id TEXT NOT NULL, incident_id TEXT NOT NULL,
    phase TEXT NOT NULL, sent_at REAL NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0, retry_at REAL NOT NULL DEFAULT 0,
    no_image INTEGER NOT NULL DEFAULT 0,
    UNIQUE (sink, alert_id)
);
CREATE TABLE stage (
    sink TEXT NOT NULL, incident_id TEXT NOT NULL, stage TEXT NOT NULL, at REAL NOT NULL,
    PRIMARY KEY (sink, incident_id)
) WITHOUT ROWID;
CREATE TABLE delivered (
    sink TEXT NOT NULL, camera TEXT NOT NULL, at REAL NOT NULL, PRIMARY KEY (sink, camera)
) WITHOUT ROWID;
CREATE TABLE silence (camera TEXT PRIMARY KEY, until REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE refused (
    position INTEGER PRIMARY KEY,
    sink TEXT NOT NULL, alert_id TEXT NOT NULL, incident_id TEXT NOT NULL,
    phase TEXT NOT NULL, sent_at REAL NOT NULL, no_image INTEGER NOT NULL DEFAULT 0,
    reason TEXT NOT NULL, at REAL NOT NULL
);
CREATE TABLE unreadable AS SELECT * FROM refused;
CREATE TABLE incidents (
    id TEXT PRIMARY KEY, camera TEXT NOT NULL, label TEXT NOT NULL,
    opened_at TEXT NOT NULL, closed_at TEXT, peak REAL NOT NULL, reason TEXT,
    messages INTEGER NOT NULL
);
CREATE TABLE clock (
    one INTEGER PRIMARY KEY CHECK (one = 1), offset_s REAL NOT NULL, saved_at REAL NOT NULL
);
PRAGMA user_version = 1;
"""
