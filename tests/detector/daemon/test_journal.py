"""The journal outlives a crash, numbers messages and forgets in time."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from uuid_utils.compat import uuid7

from alerts.deadline import Deadline
from config.errors import ConfigError, JikimiError
from detector.daemon.journal import RETENTION, Journal, read_entries
from detector.types import Incident, Phase
from journals import kept

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


def opened(at: datetime = NOW, camera: str = "gate") -> Incident:
    return Incident(uuid7(), camera, "violence", at, None, 0.8, Phase.OPENED)


def closed(incident: Incident, at: datetime) -> Incident:
    return replace(incident, closed_at=at, peak=0.95, phase=Phase.CLOSED)


def test_an_incident_is_one_entry_however_many_messages_it_has(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "incidents.sqlite")
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
    path = tmp_path / "incidents.sqlite"
    crashed = Journal(path)
    first, second, over = opened(), opened(NOW + timedelta(seconds=3), "yard"), opened()
    for incident in (first, second, over, closed(over, NOW)):
        crashed.record(incident)
    kept(crashed)  # which waits for the disk

    restarted = Journal(path)  # while the first is still open: nobody said goodbye
    later = NOW + timedelta(minutes=5)
    left = restarted.left_open(later)
    assert [i.id for i in left] == [first.id, second.id]
    assert all(i.phase is Phase.CLOSED and i.closed_at == later for i in left)
    assert [restarted.record(i, "monitor restarted") for i in left] == [1, 1]
    assert restarted.left_open(later) == []
    assert kept(restarted, 1)[0].reason == "monitor restarted"
    restarted.close(Deadline.after(5))
    crashed.close(Deadline.after(5))


def test_the_newest_come_first_and_no_more_than_asked_for(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "incidents.sqlite")
    incidents = [opened(NOW + timedelta(seconds=i / 2)) for i in range(10)]
    for incident in reversed(incidents):
        journal.record(incident)
    assert [e.incident.id for e in kept(journal, 4)] == [i.id for i in incidents[:5:-1]]
    journal.close(Deadline.after(5))


def test_old_entries_are_forgotten_at_start(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "incidents.sqlite")
    old, young = opened(NOW - RETENTION - timedelta(hours=1)), opened(NOW - RETENTION / 2)
    for incident in (old, young):
        journal.record(closed(incident, incident.opened_at + timedelta(seconds=5)))
    journal.left_open(NOW)
    assert [entry.incident.id for entry in kept(journal)] == [young.id]
    journal.close(Deadline.after(5))


def test_instants_keep_their_meaning_whatever_zone_they_came_in(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "incidents.sqlite")
    seoul = opened(NOW.astimezone(datetime.fromisoformat("2026-01-01T00:00+09:00").tzinfo))
    journal.record(seoul)
    [entry] = kept(journal)
    assert entry.incident.opened_at == NOW
    assert entry.incident.opened_at.utcoffset() == timedelta(0)
    journal.close(Deadline.after(5))


def test_threads_share_it_without_losing_a_number(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "incidents.sqlite")
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


def test_nobody_who_records_waits_for_a_disk_that_hangs(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "incidents.sqlite")
    writing, hangs = threading.Event(), threading.Event()
    journal._file.put(lambda _: (writing.set(), hangs.wait(60)))
    assert writing.wait(10)
    incident = opened()
    with journal._reading:  # somebody reads, and waits for the disk too
        assert [journal.record(incident), journal.record(closed(incident, NOW))] == [0, 1]
    hangs.set()
    assert [entry.messages for entry in kept(journal)] == [2]
    journal.close(Deadline.after(5))


def test_a_reader_that_hangs_does_not_hold_up_the_end(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "incidents.sqlite")
    incident = opened()
    journal.record(incident)
    with journal._reading:  # somebody reads, and waits for the disk
        journal.close(Deadline.after(5))
    restarted = Journal(tmp_path / "incidents.sqlite")
    assert [entry.incident.id for entry in kept(restarted)] == [incident.id]
    restarted.close(Deadline.after(5))


@pytest.mark.parametrize(
    "content", [b"this is no database" * 99, b"SQLite format 3\x00" + b"x" * 999]
)
def test_a_damaged_file_is_an_error_with_a_remedy(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "incidents.sqlite"
    path.write_bytes(content)
    with pytest.raises(JikimiError, match="damaged file aside") as caught:
        Journal(path)
    assert str(path) in str(caught.value)


def test_a_folder_that_is_not_there_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(JikimiError, match="folder writable"):
        Journal(tmp_path / "absent" / "incidents.sqlite")


def test_the_file_is_read_without_its_daemon_and_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "a folder?#%20" / "incidents.sqlite"
    path.parent.mkdir()
    assert read_entries(path) == []
    assert list(path.parent.iterdir()) == []  # whoever only reads makes no journal
    journal = Journal(path)
    assert read_entries(path) == []
    first, second = opened(), opened(NOW + timedelta(seconds=3), "yard")
    for incident in (first, second):
        journal.record(incident, "told")
    beside = kept(journal)  # which waits for the disk
    assert [entry.incident.id for entry in beside] == [second.id, first.id]
    assert read_entries(path) == beside
    assert read_entries(path, 1) == beside[:1]
    journal.close(Deadline.after(10))
    assert read_entries(path) == beside
    journal = Journal(path)  # what has only read is in nobody's way
    journal.record(closed(first, NOW))
    assert kept(journal, 2)[1].incident.closed_at == NOW
    journal.close(Deadline.after(10))


def test_what_a_killed_daemon_wrote_is_read(tmp_path: Path) -> None:
    path = tmp_path / "incidents.sqlite"
    journal = Journal(path)
    journal.record(opened())
    written = kept(journal)  # which waits for the disk
    killed = tmp_path / "killed"  # a copy is what a kill leaves: nobody moved the log into the file
    killed.mkdir()
    copies = {file: file.read_bytes() for file in (path, path.with_name(f"{path.name}-wal"))}
    for file, content in copies.items():
        (killed / file.name).write_bytes(content)
    assert read_entries(killed / path.name) == written
    # and stays as it is
    assert {file: (killed / file.name).read_bytes() for file in copies} == copies
    journal.close(Deadline.after(10))


def test_a_journal_that_cannot_be_read_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    path = tmp_path / "incidents.sqlite"
    path.write_bytes(b"this is no database" * 99)
    with pytest.raises(JikimiError, match="damaged file aside") as caught:
        read_entries(path)
    assert str(path) in str(caught.value)
    with pytest.raises(ConfigError, match="no such state directory") as caught:
        read_entries(tmp_path / "absent" / "incidents.sqlite")
    assert "--state-dir" in str(caught.value)
