"""The journal outlives a crash, numbers messages and forgets in time."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from uuid_utils.compat import uuid7

from alerts.deadline import Deadline
from config.errors import JikimiError
from detector.daemon.journal import RETENTION, Journal
from detector.types import Incident, Phase

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
    entries = {entry.incident.id: entry for entry in journal.recent()}
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
    crashed.recent()  # which waits for the disk

    restarted = Journal(path)  # while the first is still open: nobody said goodbye
    later = NOW + timedelta(minutes=5)
    left = restarted.left_open(later)
    assert [i.id for i in left] == [first.id, second.id]
    assert all(i.phase is Phase.CLOSED and i.closed_at == later for i in left)
    assert [restarted.record(i, "monitor restarted") for i in left] == [1, 1]
    assert restarted.left_open(later) == []
    assert restarted.recent(1)[0].reason == "monitor restarted"
    restarted.close(Deadline.after(5))
    crashed.close(Deadline.after(5))


def test_the_newest_come_first_and_no_more_than_asked_for(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "incidents.sqlite")
    incidents = [opened(NOW + timedelta(seconds=i / 2)) for i in range(10)]
    for incident in reversed(incidents):
        journal.record(incident)
    assert [e.incident.id for e in journal.recent(4)] == [i.id for i in incidents[:5:-1]]
    journal.close(Deadline.after(5))


def test_old_entries_are_forgotten_at_start(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "incidents.sqlite")
    old, young = opened(NOW - RETENTION - timedelta(hours=1)), opened(NOW - RETENTION / 2)
    for incident in (old, young):
        journal.record(closed(incident, incident.opened_at + timedelta(seconds=5)))
    journal.left_open(NOW)
    assert [entry.incident.id for entry in journal.recent()] == [young.id]
    journal.close(Deadline.after(5))


def test_instants_keep_their_meaning_whatever_zone_they_came_in(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "incidents.sqlite")
    seoul = opened(NOW.astimezone(datetime.fromisoformat("2026-01-01T00:00+09:00").tzinfo))
    journal.record(seoul)
    [entry] = journal.recent()
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
    assert [entry.messages for entry in journal.recent()] == [2]
    journal.close(Deadline.after(5))


def test_a_reader_that_hangs_does_not_hold_up_the_end(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "incidents.sqlite")
    incident = opened()
    journal.record(incident)
    with journal._reading:  # somebody reads, and waits for the disk
        journal.close(Deadline.after(5))
    restarted = Journal(tmp_path / "incidents.sqlite")
    assert [entry.incident.id for entry in restarted.recent()] == [incident.id]
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
