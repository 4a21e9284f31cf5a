"""`jikimi incidents`: from the journal's file, whether a daemon runs or not."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from uuid_utils.compat import uuid7

from alerts.deadline import Deadline
from detector.daemon.journal import OUTBOX
from detector.daemon.observability.columns import columns
from detector.journal.records import Verdict
from detector.types import Incident, Phase
from journal_feeding import Feeding
from journals import StoredJournal, incident, kept

Run = Callable[..., tuple[int, str, str]]
Serve = Callable[..., Path]

LONG = "loading-dock-north-east-corner-of-building-17-by-the-tall-gates"

pytestmark = pytest.mark.usefixtures("_in_seoul")


def test_they_are_listed_newest_first_in_local_time_without_a_daemon(
    run: Run, write: Callable[..., None]
) -> None:
    write((incident(), "camera offline"), (incident(3600, 754, "정문"), None))
    code, out, err = run("incidents")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "2026-11-27 13:03:41  13 min  정문  violence 0.87",
        "2026-11-27 12:03:41    12 s  gate  violence 0.87  camera offline",
    ]
    assert len(run("incidents", "--limit", 1)[1].splitlines()) == 1
    assert "no incidents yet" in run("incidents", "--limit", 0)[1]


def test_programs_get_every_field_in_utc(run: Run, write: Callable[..., None]) -> None:
    closed, opened = incident(), incident(60, None)
    write((closed, "camera offline"), (opened, None))
    found = [json.loads(line) for line in run("incidents", "--json")[1].splitlines()]
    assert found == [
        {
            "id": str(opened.id),
            "camera": "gate",
            "label": "violence",
            "opened_at": "2026-11-27T03:04:41.250+00:00",
            "closed_at": None,
            "peak": 0.867,
            "reason": None,
        },
        {
            "id": str(closed.id),
            "camera": "gate",
            "label": "violence",
            "opened_at": "2026-11-27T03:03:41.250+00:00",
            "closed_at": "2026-11-27T03:03:53.250+00:00",
            "peak": 0.867,
            "reason": "camera offline",
        },
    ]


def test_what_a_running_daemon_has_written_is_read_beside_it(
    run: Run, serve: Serve, tmp_path: Path
) -> None:
    serve(status=lambda _: {})
    journal = StoredJournal(tmp_path)
    journal.record(incident(0, None))
    kept(journal)  # which waits for the disk
    assert run("incidents") == (0, "2026-11-27 12:03:41     now  gate  violence 0.87\n", "")
    journal.close(Deadline.after(5))


def test_what_a_crash_left_open_is_not_said_to_be_under_way(
    run: Run, write: Callable[..., None]
) -> None:
    write((incident(0, None), None))
    out = run("incidents")[1]
    assert out == "2026-11-27 12:03:41    open  gate  violence 0.87  no daemon answers\n"


@pytest.mark.parametrize(
    ("lasts_s", "shown"),
    [(0.4, "0 s"), (99.4, "99 s"), (99.6, "2 min"), (5_970, "2 h"), (600_000, "167 h")],
)
def test_how_long_it_took_in_a_unit_that_suits(
    run: Run, write: Callable[..., None], lasts_s: float, shown: str
) -> None:
    write((incident(0, lasts_s), None))
    assert run("incidents")[1] == f"2026-11-27 12:03:41  {shown:>6}  gate  violence 0.87\n"


def test_long_names_fit_80_columns_and_are_whole(run: Run, write: Callable[..., None]) -> None:
    reason = "camera removed or changed"
    cameras = (LONG, "gate", "정문-1층-주차장-입구", "parking-level-2-entrance")
    write(*((incident(number, 12, camera), reason) for number, camera in enumerate(cameras)))
    out = run("incidents")[1]
    assert max(map(columns, out.splitlines())) <= 80
    for camera in cameras:
        assert camera in out
    assert out.count(reason) == len(cameras)


def test_a_state_directory_without_a_journal_has_no_incidents_yet(run: Run, tmp_path: Path) -> None:
    assert run("incidents", "--state-dir", tmp_path) == (0, "no incidents yet\n", "")
    assert run("incidents", "--json", "--state-dir", tmp_path) == (0, "", "")
    assert list(tmp_path.iterdir()) == []


def test_no_state_directory_and_no_journal_are_told_apart(run: Run, tmp_path: Path) -> None:
    code, out, err = run("incidents", "--state-dir", tmp_path / "absent")
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert str(tmp_path / "absent") in err
    assert "--state-dir" in err


def test_a_damaged_journal_is_one_clear_line(run: Run, tmp_path: Path) -> None:
    (tmp_path / "incidents.sqlite").write_bytes(b"this is no database" * 99)
    code, out, err = run("incidents", "--state-dir", tmp_path)
    assert (code, out) == (1, "")
    assert len(err.splitlines()) == 1
    assert "incidents.sqlite: cannot read the incident journal" in err


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("camera", b"\xff\x00"),
        ("label", b"\x00"),
        ("reason", b"\x00"),
        ("peak", float("inf")),
        ("peak", "much"),
        ("messages", 2**63 - 1),
        ("messages", float("inf")),
        ("opened_at", "0001-01-01T00:00:00+14:00"),
        ("opened_at", "9999-12-31T23:59:59-14:00"),
        ("opened_at", "2026-11-27T03:03:41"),
        ("closed_at", "yesterday"),
        ("id", 7),
    ],
)
def test_a_damaged_row_is_left_out_and_the_others_are_shown(
    run: Run, write: Callable[..., None], tmp_path: Path, column: str, value: object
) -> None:
    write((incident(), None), (incident(3600), None))
    with closing(sqlite3.connect(tmp_path / OUTBOX)) as database, database:
        database.execute(f"UPDATE incidents SET {column} = ? WHERE rowid = 1", (value,))
    code, out, err = run("incidents")
    assert (code, out) == (0, "2026-11-27 13:03:41    12 s  gate  violence 0.87\n")
    assert err.endswith(": damaged in the journal, left out\n")
    assert len(run("incidents", "--json")[1].splitlines()) == 1


def test_a_disk_that_was_full_from_the_beginning_is_said(run: Run, tmp_path: Path) -> None:
    (tmp_path / OUTBOX).touch()
    code, out, err = run("incidents", "--state-dir", tmp_path)
    assert (code, out) == (1, "")
    assert "outbox.sqlite is empty, for nothing could be written to it; is the disk full?" in err


def test_a_verdict_is_asked_of_the_daemon_and_shown_with_the_incident(
    run: Run, serve: Serve, write: Callable[..., None], tmp_path: Path
) -> None:
    one, other = incident(), incident(3600)
    write((one, None), (other, None))
    asked: list[dict[str, object]] = []

    def judge(request: dict[str, object]) -> dict[str, object]:
        asked.append(request)
        return {**request, "in_memory_only": "disk full"}

    serve(judge=judge)
    code, out, _ = run("incidents", "judge", one.id, "false-alarm", "--note", "welders")
    assert code == 0
    assert out == f"incident {one.id}: false-alarm\naccepted, in memory only: disk full\n"
    assert asked[0] == {
        "command": "judge",
        "incident": str(one.id),
        "verdict": "false-alarm",
        "note": "welders",
        "by": asked[0]["by"],
    }
    assert asked[0]["by"]


@pytest.mark.parametrize(
    ("action", "sinks", "ahead", "said"),
    [
        ("confirm", ["police"], [], "confirmed: police told now"),
        ("confirm", [], ["police"], "confirmed: police will not wait"),
        ("dismiss", ["police", "fire"], [], "dismissed: police, fire told nothing"),
        ("dismiss", [], ["police"], "dismissed: police will be told nothing"),
    ],
)
def test_what_sinks_wait_for_is_confirmed_or_dismissed(
    run: Run, serve: Serve, action: str, sinks: list[str], ahead: list[str], said: str
) -> None:
    asked: list[dict[str, object]] = []

    def settle(request: dict[str, object]) -> dict[str, object]:
        asked.append(request)
        return {**request, "sinks": sinks, "ahead": ahead, "in_memory_only": "disk full"}

    serve(**{action: settle})
    code, out, err = run("incidents", action, "0191fe00", "--note", "two men")
    assert (code, err) == (0, "")
    assert out == f"incident 0191fe00 {said}\naccepted, in memory only: disk full\n"
    assert (asked[0]["incident"], asked[0]["note"]) == ("0191fe00", "two men")


@pytest.mark.parametrize("fed", [True, False])
def test_verdicts_are_listed_whether_the_journal_has_them_yet_or_not(
    run: Run, write: Callable[..., None], tmp_path: Path, fed: bool
) -> None:
    at = datetime.now(UTC).replace(microsecond=250_000) - timedelta(days=1)
    kept_one = Incident(uuid7(), "gate", "violence", at, at, 0.9, Phase.CLOSED)
    write((kept_one, None))
    made = Feeding(tmp_path, tmp_path / "journal.sqlite")
    made.feeder.start()
    made.wait_fed()
    if not fed:
        made.feeder.stop(Deadline.after(30))
    made.recorder.judge(kept_one.id, Verdict.REAL, "two men", "kim")
    if fed:
        made.wait_fed()
    assert made.store.file.flush() is None
    # the store logs to standard output here where the disk is slow
    found = json.loads(run("incidents", "--json")[1].splitlines()[-1])
    assert (found["id"], found["verdict"], found["note"]) == (str(kept_one.id), "real", "two men")
    made.stop()
    assert run("incidents")[1].endswith("gate  violence 0.90  real\n")
