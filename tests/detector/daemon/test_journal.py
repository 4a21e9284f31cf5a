"""The journal outlives a crash, numbers messages and forgets in time."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from uuid_utils.compat import uuid7

from alerts.deadline import Deadline
from config.errors import ConfigError, JikimiError
from detector.daemon import journal as journal_module
from detector.daemon.journal import OUTBOX, RETENTION, read_entries
from detector.types import Incident, Phase
from journals import StoredJournal, kept

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


def opened(at: datetime = NOW, camera: str = "gate") -> Incident:
    return Incident(uuid7(), camera, "violence", at, None, 0.8, Phase.OPENED)


def closed(incident: Incident, at: datetime) -> Incident:
    duration_s = (at - incident.opened_at).total_seconds()
    return replace(incident, closed_at=at, peak=0.95, phase=Phase.CLOSED, duration_s=duration_s)


def test_an_incident_is_one_entry_however_many_messages_it_has(tmp_path: Path) -> None:
    journal = StoredJournal(tmp_path)
    first, other = opened(), opened(camera="yard")
    updated = replace(first, peak=0.9, phase=Phase.UPDATED)
    done = closed(first, NOW + timedelta(seconds=9))
    assert [journal.record(i) for i in (first, other, updated, updated)] == [0, 0, 1, 2]
    assert journal.record(done, "camera offline") == 3
    entries = {entry.incident.id: entry for entry in kept(journal)}
    assert len(entries) == 2
    assert entries[first.id].incident == done
    assert entries[first.id].reason == "camera offline"
    assert entries[other.id].incident.closed_at is None
    journal.close(Deadline.after(5))


def test_what_a_crash_left_open_is_found_by_the_next_start(tmp_path: Path) -> None:
    crashed = StoredJournal(tmp_path)
    first, second, over = opened(), opened(NOW + timedelta(seconds=3), "yard"), opened()
    for incident in (first, second, over, closed(over, NOW)):
        crashed.record(incident)
    kept(crashed)  # which waits for the disk
    killed = tmp_path / "killed"  # a copy is what a kill leaves: nobody said goodbye
    shutil.copytree(tmp_path, killed)

    restarted = StoredJournal(killed)
    later = NOW + timedelta(minutes=5)
    found = restarted.left_open(later)
    assert not any(left.told for left in found)  # no sink has heard of them
    left = [one.incident for one in found]
    assert [i.id for i in left] == [first.id, second.id]
    assert all(i.phase is Phase.CLOSED and i.closed_at == later for i in left)
    assert [restarted.record(i, "monitor restarted") for i in left] == [1, 1]
    assert restarted.left_open(later) == []
    assert kept(restarted, 1)[0].reason == "monitor restarted"
    restarted.close(Deadline.after(5))
    crashed.close(Deadline.after(5))


def test_the_newest_come_first_and_no_more_than_asked_for(tmp_path: Path) -> None:
    journal = StoredJournal(tmp_path)
    incidents = [opened(NOW + timedelta(seconds=i / 2)) for i in range(10)]
    for incident in reversed(incidents):
        journal.record(incident)
    assert [e.incident.id for e in kept(journal, 4)] == [i.id for i in incidents[:5:-1]]
    journal.close(Deadline.after(5))


def test_old_entries_are_forgotten_at_start(tmp_path: Path) -> None:
    journal = StoredJournal(tmp_path)
    old, young = opened(NOW - RETENTION - timedelta(hours=1)), opened(NOW - RETENTION / 2)
    for incident in (old, young):
        journal.record(closed(incident, incident.opened_at + timedelta(seconds=5)))
    journal.left_open(NOW)
    assert [entry.incident.id for entry in kept(journal)] == [young.id]
    journal.close(Deadline.after(5))


def test_instants_keep_their_meaning_whatever_zone_they_came_in(tmp_path: Path) -> None:
    journal = StoredJournal(tmp_path)
    seoul = opened(NOW.astimezone(datetime.fromisoformat("2026-01-01T00:00+09:00").tzinfo))
    journal.record(seoul)
    [entry] = kept(journal)
    assert entry.incident.opened_at == NOW
    assert entry.incident.opened_at.utcoffset() == timedelta(0)
    journal.close(Deadline.after(5))


def test_threads_share_it_without_losing_a_number(tmp_path: Path) -> None:
    journal = StoredJournal(tmp_path)
    incident = opened()
    numbers: list[int] = []

    def write() -> None:
        numbers.extend(journal.record(incident) for _ in range(25))

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(numbers) == list(range(100))
    journal.close(Deadline.after(5))


def test_nobody_who_records_or_looks_back_waits_for_a_disk_that_hangs(tmp_path: Path) -> None:
    journal = StoredJournal(tmp_path)
    writing, hangs = threading.Event(), threading.Event()
    journal.store.file.put(lambda _: (writing.set(), hangs.wait(60)))
    assert writing.wait(10)
    incident = opened()
    assert [journal.record(incident), journal.record(closed(incident, NOW))] == [0, 1]
    assert journal.left_open(NOW) == []
    hangs.set()
    assert [entry.messages for entry in kept(journal)] == [2]
    journal.close(Deadline.after(5))


def test_memory_is_bounded_and_what_the_disk_never_had_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "MAX_INCIDENTS", 3)
    journal = StoredJournal(tmp_path)
    first = opened()
    journal.record(first)
    past = [opened() for _ in range(5)]
    for incident in past:
        journal.record(closed(incident, datetime.now(UTC)))
    assert len(kept(journal)) == 6  # the disk has them all
    assert journal.store.read("SELECT count(*) FROM incidents") == [(3,)]
    lost: list[int] = []
    monkeypatch.setattr(journal.store.faults, "lost", lambda _, count: lost.append(count))
    file = journal.store.file._file
    assert file
    file.database.execute("PRAGMA max_page_count = 1")  # a full disk
    for _ in range(5):
        journal.record(closed(opened(), datetime.now(UTC)), "x" * 9999)
        assert journal.store.file.flush()
    assert sum(lost) == 3
    assert journal.store.read("SELECT count(*) FROM incidents WHERE closed_at IS NULL") == [(1,)]
    journal.close(Deadline.after(5))


def test_the_file_is_read_without_its_daemon_and_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "a folder?#%20"
    path.mkdir()
    assert read_entries(path) == []
    assert list(path.iterdir()) == []  # whoever only reads makes no journal
    journal = StoredJournal(path)
    assert kept(journal) == []
    first, second = opened(), opened(NOW + timedelta(seconds=3), "yard")
    for incident in (first, second):
        journal.record(incident, "told")
    beside = kept(journal)  # which waits for the disk
    assert [entry.incident.id for entry in beside] == [second.id, first.id]
    assert read_entries(path) == beside
    assert read_entries(path, 1) == beside[:1]
    journal.close(Deadline.after(10))
    assert read_entries(path) == beside
    journal = StoredJournal(path)  # what has only read is in nobody's way
    journal.record(closed(first, NOW))
    assert kept(journal, 2)[1].incident.closed_at == NOW
    journal.close(Deadline.after(10))


def test_what_a_killed_daemon_wrote_is_read(tmp_path: Path) -> None:
    journal = StoredJournal(tmp_path)
    journal.record(opened())
    written = kept(journal)  # which waits for the disk
    killed = tmp_path / "killed"  # a copy is what a kill leaves: nobody moved the log into the file
    killed.mkdir()
    copies = {name: (tmp_path / name).read_bytes() for name in (OUTBOX, f"{OUTBOX}-wal")}
    for name, content in copies.items():
        (killed / name).write_bytes(content)
    assert read_entries(killed) == written
    # and stays as it is
    assert {name: (killed / name).read_bytes() for name in copies} == copies
    journal.close(Deadline.after(10))


def test_a_journal_that_cannot_be_read_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    path = tmp_path / OUTBOX
    path.write_bytes(b"this is no database" * 99)
    with pytest.raises(JikimiError, match="damaged file aside") as caught:
        read_entries(tmp_path)
    assert str(path) in str(caught.value)
    with pytest.raises(ConfigError, match="no such state directory") as caught:
        read_entries(tmp_path / "absent")
    assert "--state-dir" in str(caught.value)


def test_one_damaged_entry_is_named_and_hides_no_other(tmp_path: Path) -> None:
    journal = StoredJournal(tmp_path)
    bad, good = opened(), opened()
    for incident in (bad, good):
        journal.record(incident)
    kept(journal)
    journal.close(Deadline.after(10))
    with closing(sqlite3.connect(tmp_path / OUTBOX)) as database, database:
        change = "UPDATE incidents SET opened_at = 'yester\xffday' WHERE id = ?"
        database.execute(change, (str(bad.id),))
    named: list[str] = []
    assert [e.incident.id for e in read_entries(tmp_path, 9, named.append)] == [good.id]
    assert named == [str(bad.id)]
    journal = StoredJournal(tmp_path)
    with capture_logs() as logs:
        assert [left.incident.id for left in journal.left_open(NOW)] == [good.id]
    assert [entry["id"] for entry in logs] == [str(bad.id)]
    journal.close(Deadline.after(10))


def old_journal(folder: Path, *incidents: Incident) -> Path:
    """The journal that the release before kept, in a file of its own."""
    path = folder / "incidents.sqlite"
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(
            "CREATE TABLE incidents (id TEXT PRIMARY KEY, camera TEXT NOT NULL,"
            " label TEXT NOT NULL, opened_at TEXT NOT NULL, closed_at TEXT, peak REAL NOT NULL,"
            " reason TEXT, messages INTEGER NOT NULL) STRICT"
        )
        for one in incidents:
            times = one.opened_at.isoformat(), one.closed_at and one.closed_at.isoformat()
            row = (str(one.id), one.camera, one.label, *times, one.peak, None, 1)
            database.execute("INSERT INTO incidents VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
    return path


def test_the_journal_of_the_release_before_is_taken_over_once_and_kept(tmp_path: Path) -> None:
    over, open_still = closed(opened(), NOW), opened(NOW + timedelta(seconds=3))
    path = old_journal(tmp_path, over, open_still)
    before = path.read_bytes()
    assert [e.incident.id for e in read_entries(tmp_path)] == [open_still.id, over.id]
    journal = StoredJournal(tmp_path)
    assert [e.incident.id for e in kept(journal)] == [open_still.id, over.id]
    assert [left.incident.id for left in journal.left_open(NOW)] == [open_still.id]
    assert path.readlink() == Path(OUTBOX)
    [kept_as] = tmp_path.glob("incidents.sqlite.taken-over-*")
    assert kept_as.read_bytes() == before
    journal.close(Deadline.after(10))
    journal = StoredJournal(tmp_path)
    assert len(kept(journal)) == 2
    journal.close(Deadline.after(10))


@pytest.mark.parametrize("content", [b"no database" * 99, b"SQLite format 3\x00" + b"x" * 999])
def test_a_damaged_journal_of_the_release_before_is_set_aside(
    tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "incidents.sqlite").write_bytes(content)
    journal = StoredJournal(tmp_path)
    journal.record(opened())
    assert len(kept(journal)) == 1
    [aside] = tmp_path.glob("incidents.sqlite.damaged-*")
    assert aside.read_bytes() == content
    assert "incidents.sqlite could not be used" in journal.store.faults.reasons()[0]
    journal.close(Deadline.after(10))
