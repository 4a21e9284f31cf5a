"""`jikimi incidents`: from the journal's file, whether a daemon runs or not."""

from __future__ import annotations

import json
import sqlite3
import zipfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from uuid_utils.compat import uuid7

from alerts.deadline import Deadline
from config.settings import CameraSettings, EvidenceSettings
from config.urls import StreamUrl
from detector.capture.frames import ArrayFrame
from detector.daemon.journal import OUTBOX
from detector.daemon.observability.columns import columns
from detector.evidence.collector import Origin
from detector.evidence.files import record_of
from detector.evidence.record import (
    EVIDENCE,
    RECORD,
    ClipRecord,
    EvidenceRecord,
    Kind,
    State,
    folder_of,
)
from detector.evidence.recorder import EvidenceRecorder
from detector.journal import queries
from detector.journal.records import AuditEntry, Verdict
from detector.types import Box, Incident, Phase, Sample, Score
from journal_feeding import Feeding
from journals import StoredJournal, kept
from models.data.clips import read_clips
from servers.rtsp import make_clip

Run = Callable[..., tuple[int, str, str]]
Serve = Callable[..., Path]

OPENED_AT = datetime(2026, 11, 27, 3, 3, 41, 250_000, tzinfo=UTC)
LONG = "loading-dock-north-east-corner-of-building-17-by-the-tall-gates"

pytestmark = pytest.mark.usefixtures("_in_seoul")


def incident(after_s: float = 0, lasts_s: float | None = 12, camera: str = "gate") -> Incident:
    at = OPENED_AT + timedelta(seconds=after_s)
    opened = Incident(uuid7(), camera, "violence", at, None, 0.8666, Phase.UPDATED)
    if lasts_s is None:
        return opened
    return replace(opened, closed_at=at + timedelta(seconds=lasts_s), phase=Phase.CLOSED)


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Write incidents, each with its reason, as a daemon that has stopped since."""
    monkeypatch.setenv("JIKIMI_STATE_DIR", str(tmp_path))

    def journal(*told: tuple[Incident, str | None]) -> None:
        written = StoredJournal(tmp_path)
        for one, reason in told:
            written.record(one, reason)
        written.close(Deadline.after(5))

    return journal


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


@pytest.fixture
def evidence(tmp_path: Path, write: Callable[..., None]) -> tuple[Incident, Path]:
    """An incident in the journal, and what a daemon has kept of it."""
    fight = incident()
    write((fight, None))
    settings = EvidenceSettings(post_roll_s=0)
    recorder = EvidenceRecorder(settings, tmp_path / "evidence", Origin("0.1.0", "tiny", "0" * 64))
    gate = CameraSettings(name="gate", url=StreamUrl.parse("pattern://calm"), site="yard")
    sample = Sample(
        "gate", OPENED_AT, 5.0, 0.0, np.zeros((9, 16), np.uint8),
        ArrayFrame(np.zeros((90, 160, 3), np.uint8)),
    )  # fmt: skip
    camera = recorder.camera(gate)
    camera.changed(replace(fight, closed_at=None, phase=Phase.OPENED), sample, None, 5.0)
    score = Score("gate", 5.0, OPENED_AT, "violence", 0.9, 0.9)
    camera.scored(5.0, [score], sample, Box(0.1, 0.1, 0.5, 0.5))
    camera.changed(fight, None, None, 5.0)
    recorder.start()
    recorder.stop(Deadline.after(10))
    return fight, tmp_path


def audited(folder: Path) -> list[AuditEntry]:
    """What the journal has in its audit, once a daemon has started on `folder`."""
    made = Feeding(folder, folder / "journal.sqlite")
    made.feeder.start()
    made.wait_fed()
    found = made.asked(queries.audit)
    made.stop()
    return found


def test_export_writes_an_archive_and_the_reason_into_the_audit(
    run: Run, evidence: tuple[Incident, Path]
) -> None:
    fight, folder = evidence
    out = folder / "fight.zip"
    code, told, err = run(
        "incidents", "export", fight.id, "--out", out, "--reason", "request 7", "--pixelate"
    )
    assert (code, err) == (0, "")
    assert str(out) in told
    with zipfile.ZipFile(out) as archive:
        assert archive.testzip() is None
        journal = json.loads(archive.read(f"{fight.id}/journal.json"))
        assert f"{fight.id}/first.jpg" in archive.namelist()
    assert journal[0]["id"] == str(fight.id)
    [entry] = audited(folder)
    assert (entry.action, entry.target) == ("export", str(fight.id))
    assert entry.reason == "request 7; pixelated"
    assert entry.who


def test_a_running_daemon_has_the_export_in_its_audit_before_anything_is_written(
    run: Run, serve: Serve, evidence: tuple[Incident, Path]
) -> None:
    fight, folder = evidence
    out = folder / "fight.zip"
    asked: list[dict[str, object]] = []
    refused: list[str | None] = ["disk full", None]

    def audit(request: dict[str, object]) -> dict[str, object]:
        assert not out.exists()
        asked.append(request)
        return {"in_memory_only": refused.pop(0)}

    serve(**{"audit-export": audit})
    command = ("incidents", "export", fight.id, "--out", out, "--reason", "court")
    code, _, err = run(*command)
    assert code == 1
    assert "nothing is exported, for the audit is not on disk: disk full" in err
    assert not out.exists()
    assert run(*command)[0] == 0
    assert out.exists()
    assert [(one["incidents"], one["reason"]) for one in asked] == [([str(fight.id)], "court")] * 2
    assert audited(folder) == []


def test_nothing_is_exported_past_a_daemon_that_does_not_answer(
    run: Run, evidence: tuple[Incident, Path]
) -> None:
    fight, folder = evidence
    held = StoredJournal(folder)
    try:
        out = folder / "fight.zip"
        code, _, err = run("incidents", "export", fight.id, "--out", out, "--reason", "court")
    finally:
        held.close(Deadline.after(5))
    assert code == 6
    assert "no running jikimi answers" in err
    assert not out.exists()


def test_nothing_is_exported_where_the_audit_cannot_be_written(
    run: Run, evidence: tuple[Incident, Path]
) -> None:
    fight, folder = evidence
    (folder / OUTBOX).write_bytes(b"no database" * 1000)
    out = folder / "fight.zip"
    code, _, err = run("incidents", "export", fight.id, "--out", out, "--reason", "court")
    assert code == 1
    assert "outbox.sqlite" in err
    assert not out.exists()


@pytest.mark.parametrize("first", [True, False])
def test_the_state_directory_may_be_named_before_or_behind_export(
    run: Run, evidence: tuple[Incident, Path], monkeypatch: pytest.MonkeyPatch, first: bool
) -> None:
    fight, folder = evidence
    monkeypatch.setenv("JIKIMI_STATE_DIR", str(folder / "elsewhere"))
    named = ("--state-dir", folder)
    asked = ("export", fight.id, "--out", folder / "fight.zip", "--reason", "court")
    code, _, err = run("incidents", *(named + asked if first else asked + named))
    assert (code, err) == (0, "")


@pytest.mark.parametrize("reason", [[], ["--reason", " "]])
def test_nothing_is_exported_without_a_reason(
    run: Run, evidence: tuple[Incident, Path], reason: list[str]
) -> None:
    fight, folder = evidence
    code, _, err = run("incidents", "export", fight.id, "--out", folder / "fight.zip", *reason)
    assert code == 64
    assert "--reason" in err
    assert not (folder / "fight.zip").exists()


def test_a_short_passphrase_is_refused_and_a_good_one_never_shown(
    run: Run, evidence: tuple[Incident, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    pyzipper = pytest.importorskip("pyzipper")
    fight, folder = evidence
    out = folder / "fight.zip"
    asked = ("incidents", "export", fight.id, "--out", out, "--reason", "court", "--encrypt")
    for said, expected in (("short", 64), ("correct horse battery", 0)):
        with (folder / "said").open("w+") as said_file:
            said_file.write(said + "\n")
            said_file.seek(0)
            monkeypatch.setattr("sys.stdin", said_file)
            monkeypatch.setattr("os.isatty", lambda _: False)
            code, told, err = run(*asked)
        assert code == expected, err
        assert said not in told + err
    with pyzipper.AESZipFile(out) as archive:
        archive.setpassword(b"correct horse battery")
        assert archive.testzip() is None
    assert "correct horse" not in str(audited(folder))


def keep_clip(state: Path, fight: Incident) -> None:
    """What a daemon keeps of an incident: a clip of 3 s, of which the incident is the last two."""
    folder = folder_of(state / EVIDENCE, fight.id, fight.opened_at)
    folder.mkdir(parents=True)
    clip = record_of(make_clip(folder / "clip-1.mp4", seconds=3), Kind.CLIP)
    record = EvidenceRecord(
        incident=fight.id, camera=fight.camera, site="yard", label="violence",
        opened_at=fight.opened_at, closed_at=fight.closed_at, peak=0.9, reason=None,
        state=State.WHOLE, version="", weights="", configuration="", missing=[], files=[clip],
        clips=[ClipRecord(name=clip.name, codec="h264", begins_at=fight.opened_at, seconds=3,
                          pre_roll_s=1, plays_in_browser=True)],
    )  # fmt: skip
    (folder / RECORD).write_text(record.model_dump_json())


@pytest.mark.slow
def test_judged_clips_are_exported_as_a_manifest_and_that_is_in_the_audit(
    run: Run, write: Callable[..., None], tmp_path: Path
) -> None:
    now = datetime.now(UTC)

    def fight(days_ago: float, camera: str = "gate") -> Incident:
        at = now - timedelta(days=days_ago)
        return replace(incident(0, 2, camera), opened_at=at, closed_at=at + timedelta(seconds=2))

    real, false, drill, old, unjudged = (fight(days) for days in (2, 1.5, 1.4, 10, 1.3))
    gone = fight(1, "dock")
    write(*((one, None) for one in (real, false, drill, old, unjudged, gone)))
    for one in (real, false, drill, old, unjudged):
        keep_clip(tmp_path, one)
    made = Feeding(tmp_path, tmp_path / "journal.sqlite")
    made.feeder.start()
    for one, verdict in (
        (real, Verdict.FALSE_ALARM),
        (real, Verdict.REAL),  # the newest counts
        (false, Verdict.FALSE_ALARM),
        (drill, Verdict.EXERCISE),
        (old, Verdict.REAL),
        (gone, Verdict.REAL),
    ):
        made.recorder.judge(one.id, verdict, "", "kim")
    made.wait_fed()
    made.stop()
    out = tmp_path / "to-learn"
    since = (now - timedelta(days=5)).date()
    code, told, err = run("incidents", "export", "--manifest", out, "--since", since)
    assert code == 0, err
    assert told == f"{out}/manifest.csv: 1 normal, 1 violence clip(s)\n"
    assert err == f"left out: incident {gone.id}: nothing is kept of it any more\n"
    clips = {clip.name: clip for clip in read_clips(out)}
    assert {name: (one.label, one.scene) for name, one in clips.items()} == {
        f"{real.id}-clip-1.mp4": ("violence", "gate"),
        f"{false.id}-clip-1.mp4": ("normal", "gate"),
    }
    exported = [one for one in audited(tmp_path) if one.action == "export"]
    assert {one.target for one in exported} == {str(real.id), str(false.id)}
    assert all(str(out) in one.reason for one in exported)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["--manifest", "x", "--pixelate"], "--manifest stands alone"),
        (["--since", "2026-11-27"], "give an ID with --out"),
        (["--manifest", "x", "--since", "yesterday"], "is no date; write 2026-11-27"),
        (["--manifest", "x", "--reason", "to learn"], "no incident that was judged real"),
    ],
)
def test_an_export_that_makes_no_sense_is_refused(
    run: Run, evidence: tuple[Incident, Path], asked: list[str], said: str
) -> None:
    code, _, err = run("incidents", "export", *asked)
    assert code in {1, 64}
    assert said in " ".join(err.split())
    assert not (evidence[1] / "x").exists()
