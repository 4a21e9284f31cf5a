"""Disks that are full or hang, and packets that were gone: said, and nothing else suffers."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from filming import Evidence, Filmed, check_hashes, played, stored_incident, wait_for
from structlog.testing import capture_logs

from alerts.storage.files import UNFINISHED
from detector.capture.kept.encoder import SampleEncoder
from detector.evidence import collector, files
from detector.evidence.record import RECORD, Kind, State, read_record
from detector.types import Incident

CAMERA = "pattern://calm"


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    """A disk of `size` on `folder`; skips where mounting is not allowed."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"mounting is not allowed here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def incident_of(film: Filmed, seconds: float = 0.5) -> Incident:
    incident = film.open()
    film.watch(seconds)
    film.close()
    return incident


@pytest.mark.slow
def test_what_a_full_disk_did_not_take_is_said_and_the_rest_counts(
    evidence: Callable[..., Evidence], tmp_path: Path
) -> None:
    folder = tmp_path / "evidence"
    with small_disk(folder, "128k"):
        kept = evidence(folder, pre_roll_s=2, post_roll_s=0)
        film = kept.film(CAMERA)
        film.watch(2.5)
        incident = incident_of(film)
        wait_for(lambda: kept.recorder.lost["clip"])
        assert any("No space left" in text for text in kept.recorder.trouble())
        film.watch(0.5)
        subprocess.run(["mount", "-o", "remount,size=20m", str(folder)], check=True)
        record = kept.whole(incident)
        assert any("No space left on device" in missing for missing in record.missing)
        assert record.files
        after = incident_of(film)
        record = kept.whole(after)
        assert record.missing == []
        played(kept.of(after) / record.clips[0].name)
        kept.stop()


def test_evidence_leaves_room_on_the_disk_for_alerts(
    evidence: Callable[..., Evidence], tmp_path: Path
) -> None:
    folder = tmp_path / "evidence"
    with small_disk(folder, "20m"):
        old, middle, new = (stored_incident(folder, days, size=6_500_000) for days in (9, 8, 7))
        running = evidence(folder)
        wait_for(lambda: running.deleted and not old.parent.exists())
        assert not old.exists()
        assert middle.exists()
        assert new.exists()
        assert running.deleted == [old]
        running.stop()


@pytest.mark.slow
def test_a_clip_of_an_incident_that_does_not_end_is_finished_meanwhile(
    evidence: Callable[..., Evidence], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collector, "LONGEST_S", 1.0)
    kept = evidence()
    film = kept.film(CAMERA)
    film.watch(1.5)
    incident = film.open()
    wait_for((kept.of(incident) / "clip-1.mp4").exists)
    assert not film.closed
    film.close()
    record = kept.whole(incident)
    [clip] = record.clips
    assert clip.seconds - clip.pre_roll_s <= 1.2
    assert any("at most" in missing for missing in record.missing)


@pytest.mark.slow
def test_a_disk_that_does_not_even_open_a_file_holds_up_nobody(
    evidence: Callable[..., Evidence],
) -> None:
    kept = evidence(pre_roll_s=1, post_roll_s=0)
    film = kept.film(CAMERA)
    film.watch(1.5)

    def hang(incident: Incident) -> None:
        folder = kept.of(incident)
        folder.mkdir(parents=True)
        os.mkfifo(folder / f"clip-1.mp4{UNFINISHED}")  # opening it waits for somebody who reads

    incident = film.open(hang)
    wait_for((kept.of(incident) / "first.jpg").exists)
    film.watch(2.0)
    film.close()
    pipe = kept.of(incident) / f"clip-1.mp4{UNFINISHED}"
    with pipe.open("rb") as reader:
        pipe.unlink()
        reader.read()
    assert kept.whole(incident).missing


@pytest.mark.slow
def test_a_disk_that_hangs_delays_evidence_and_nobody_else(
    evidence: Callable[..., Evidence], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers, hangs, fsync = threading.Event(), threading.Event(), files.os.fsync

    def slow(descriptor: int) -> None:
        hangs.set()
        answers.wait()
        fsync(descriptor)

    kept = evidence(pre_roll_s=1, post_roll_s=0)
    film = kept.film(CAMERA)
    film.watch(1.5)
    monkeypatch.setattr(files.os, "fsync", slow)
    first = incident_of(film)
    assert hangs.wait(10)
    second = incident_of(film)
    film.watch(5.0)  # the ring has let go by now of what the second one's clip begins with
    answers.set()
    for incident in (first, second):
        record = kept.whole(incident)
        assert record.missing
        assert {file.kind for file in record.files} >= {Kind.STILL, Kind.SCORES}
    assert kept.recorder.thread.fault(0) is None


@pytest.mark.slow
def test_more_incidents_than_can_be_collected_are_counted(
    evidence: Callable[..., Evidence],
) -> None:
    kept = evidence(post_roll_s=60)
    film = kept.film(CAMERA)
    film.watch(0.5)
    for _ in range(1000):
        film.open()
        film.close()
    wait_for(lambda: sum(1 for _ in kept.folder.glob(f"*/*/{RECORD}")) >= 50)
    assert kept.recorder.lost["clip"] >= 800
    sampled = len(film.samples)
    film.watch(0.5)
    assert len(film.samples) > sampled


@pytest.mark.slow
def test_at_the_end_what_is_there_is_finished(evidence: Callable[..., Evidence]) -> None:
    kept = evidence(post_roll_s=60)
    film = kept.film(CAMERA)
    film.watch(1.5)
    incident = film.open()
    film.watch(0.5)
    kept.stop()
    record = read_record(kept.of(incident))
    assert record.state is State.WHOLE
    check_hashes(kept.of(incident), record)
    [clip] = record.clips
    played(kept.of(incident) / clip.name)


def test_a_camera_whose_pictures_cannot_be_encoded_is_watched_on_and_its_clip_said_to_be_missing(
    evidence: Callable[..., Evidence], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_thread(*_: object) -> None:
        raise BlockingIOError("Resource temporarily unavailable")

    monkeypatch.setattr(SampleEncoder, "encode", no_thread)
    kept = evidence(post_roll_s=0)
    film = kept.film(CAMERA)
    with capture_logs() as logs:
        film.watch(0.5)
    incident = incident_of(film)
    record = kept.whole(incident)
    assert film.states == ["connecting", "live"]
    assert not record.clips
    assert record.missing == ["no clip: no key frame came that an MP4 can begin with"]
    assert [line["reason"] for line in logs if line["log_level"] == "warning"] == [
        "Resource temporarily unavailable"
    ]
