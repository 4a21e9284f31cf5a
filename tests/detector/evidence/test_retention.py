"""What is deleted, and what is left after a crash."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from filming import Evidence, stored_incident, wait_for
from uuid_utils.compat import uuid7

from detector.evidence.record import (
    KEEP,
    RECORD,
    State,
    folder_of,
    read_record,
)
from detector.evidence.retention import expired, mend, stored

NOW = datetime.now(UTC)


def test_the_oldest_go_first_by_age_and_by_size_and_what_is_marked_stays(tmp_path: Path) -> None:
    old, marked, middle, new = (
        stored_incident(tmp_path, days, size=100_000) for days in (40, 35, 2, 0)
    )
    (marked / KEEP).touch()

    def gone(days: int, most_bytes: int) -> list[Path]:
        found = stored(tmp_path)
        return [each.folder for each in expired(found, NOW.date(), days, most_bytes)]

    assert gone(30, 10**9) == [old]
    assert gone(3650, 350_000) == [old]
    assert gone(3650, 250_000) == [old, middle]
    assert gone(3650, 1) == [old, middle, new]
    assert gone(3650, 10**9) == []


def test_a_recorder_deletes_and_tells(evidence: Callable[..., Evidence], tmp_path: Path) -> None:
    folder = tmp_path / "evidence"
    old, new = stored_incident(folder, 31), stored_incident(folder, 1)
    other = folder / "2020-01-01" / "somebody-elses"
    other.mkdir(parents=True)
    running = evidence(folder, days=30)
    wait_for(lambda: running.deleted and not old.parent.exists())
    assert running.deleted == [old]
    assert not old.parent.exists()
    assert new.exists()
    assert other.exists()


def test_after_a_crash_nothing_half_written_counts(tmp_path: Path) -> None:
    whole, half, bare = (
        stored_incident(tmp_path, 0),
        stored_incident(tmp_path, 0, state=State.COLLECTING),
        uuid7(),
    )
    (half / "clip-2.mp4.unfinished").write_bytes(b"half")
    nothing = folder_of(tmp_path, bare, NOW)
    nothing.mkdir()
    (nothing / "first.jpg").write_bytes(b"whole, but nothing names it")
    before = (whole / RECORD).read_bytes()
    mend(tmp_path)
    assert (whole / RECORD).read_bytes() == before
    assert not nothing.exists()
    assert [path.name for path in sorted(half.iterdir())] == ["clip-1.mp4", RECORD]
    record = read_record(half)
    assert record.state is State.CUT_SHORT
    assert record.missing
    assert [file.name for file in record.files] == ["clip-1.mp4"]


@pytest.mark.parametrize("damage", [b"", b"{}", b"\xff\x00", b'{"format": 2}'])
def test_a_damaged_record_harms_no_other(tmp_path: Path, damage: bytes) -> None:
    broken, half = (
        stored_incident(tmp_path, 1),
        stored_incident(tmp_path, 0, state=State.COLLECTING),
    )
    (broken / RECORD).write_bytes(damage)
    mend(tmp_path)
    assert broken.exists()
    assert read_record(half).state is State.CUT_SHORT
