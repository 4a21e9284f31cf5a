"""A journal that is damaged, removed, of another release, or gets a row that it cannot take."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alerting import wait_for
from sqlalchemy import text
from structlog.testing import capture_logs

from alerts.storage import pending
from detector.journal import tables
from detector.types import Incident
from journal_feeding import (
    Feeding,
    MakeFeeding,
    asked,
    assert_whole,
    fight,
    journalled,
    journalled_if,
    opened,
    reason,
)


def garbage(path: Path) -> None:
    path.write_bytes(bytes(range(1, 256)) * 80)


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    for place in range(100, len(content), 97):
        content[place] ^= 0x40
    path.write_bytes(content)


def directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def foreign(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE incidents (id INTEGER)")


def removed(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("damage", [garbage, flipped, directory, foreign, removed])
def test_a_file_that_is_damaged_is_set_aside_and_what_the_store_has_is_written_again(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    where = tmp_path / "journal.sqlite"
    at = Feeding(tmp_path, where)
    at.feeder.start()
    one = fight(at)
    at.wait_fed()
    at.stop()
    damage(where)
    again = Feeding(tmp_path, where)
    again.feeder.start()
    two = fight(again)
    again.wait_fed()
    wait_for(lambda: {one.id, two.id} <= journalled(where).keys())
    aside = list(tmp_path.glob("journal.sqlite.damaged-*"))
    assert len(aside) == (0 if damage is removed else 1)
    again.stop()


def test_a_journal_that_is_removed_while_it_is_written_is_begun_anew(tmp_path: Path) -> None:
    where = tmp_path / "journal.sqlite"
    at = Feeding(tmp_path, where)
    at.feeder.start()
    one = fight(at)
    at.wait_fed()
    for path in tmp_path.glob("journal.sqlite*"):
        path.unlink()
    two = fight(at)
    wait_for(lambda: where.exists() and not at.waits())
    wait_for(lambda: {one.id, two.id} <= journalled(where).keys())
    at.stop()


def test_a_journal_of_a_newer_release_is_left_alone_and_gets_its_own_later(
    feeding: MakeFeeding,
) -> None:
    at = feeding()
    one = fight(at)
    at.wait_fed()
    set_version(at.where, "9999")
    at = feeding()
    two = fight(at)
    assert "newer release" in reason(at)
    set_version(at.where, tables.HEAD)
    at.wait_fed()
    assert_whole(at.where, one, two)


def set_version(where: Path | str, version: str) -> None:
    def update(connection: Any) -> None:
        connection.execute(text(f"UPDATE alembic_version SET version_num = '{version}'"))
        connection.commit()

    asked(where, update)


def test_one_row_that_cannot_be_written_holds_up_no_other(feeding: MakeFeeding) -> None:
    at = feeding(start=False)
    incident = opened()
    at.incidents.record(incident)
    body = pending.delivery("station", alert_of(incident), "delivered", 2**40)
    at.store.write(lambda db: pending.remember(db, *body))
    at.store.write(lambda db: pending.remember(db, "audit", "1", '{"who": 3'))
    at.store.write(lambda db: pending.remember(db, "judgement", "2", "{}"))
    bad = opened()
    at.incidents.record(bad)
    at.store.write(
        lambda db: db.execute("UPDATE incidents SET peak = 'much' WHERE id = ?", (str(bad.id),))
    )
    done = fight(at)
    with capture_logs() as logs:
        at.feeder.start()
        wait_for(lambda: done.id in journalled_if(at.where))
        wait_for(lambda: not at.store.read("SELECT 1 FROM pending WHERE kind IN ('audit')"))
    assert_whole(at.where, done)
    assert incident.id in journalled(at.where)
    assert not at.store.faults.reasons()
    aside = {(log["kind"], log["key"]) for log in logs if "set aside" in log["event"]}
    assert aside >= {("audit", "1"), ("judgement", "2"), ("incident", str(bad.id))}
    kept = at.store.read("SELECT body FROM pending WHERE kind = 'unreadable-audit'")
    assert kept == [('{"who": 3',)]


def alert_of(incident: Incident) -> Any:
    from alerting import make_alert

    return make_alert(incident_id=incident.id)
