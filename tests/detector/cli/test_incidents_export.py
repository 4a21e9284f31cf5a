"""`jikimi incidents export`: an incident as an archive, judged clips as a manifest; audited."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from alerts.deadline import Deadline
from config.settings import CameraSettings, EvidenceSettings
from config.urls import StreamUrl
from detector.capture.frames import ArrayFrame
from detector.daemon.journal import OUTBOX
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
from journals import OPENED_AT, StoredJournal, incident
from models.data.clips import read_clips
from servers.rtsp import make_clip

Run = Callable[..., tuple[int, str, str]]
Serve = Callable[..., Path]

pytestmark = pytest.mark.usefixtures("_in_seoul")


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
