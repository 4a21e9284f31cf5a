"""Cameras that are really read, whose incidents a test opens and closes."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import av
from uuid_utils.compat import uuid7

from alerts.deadline import Deadline
from config.settings import CameraSettings, CaptureSettings, EvidenceSettings
from detector.capture.reader import CameraReader
from detector.evidence.collector import Origin
from detector.evidence.record import (
    RECORD,
    EvidenceFile,
    EvidenceRecord,
    FileRecord,
    Kind,
    State,
    folder_of,
    read_record,
)
from detector.evidence.recorder import EvidenceRecorder
from detector.types import Box, Incident, Phase, Sample, Score

BOX = Box(0.25, 0.25, 0.5, 0.5)

ORIGIN = Origin(version="0.1.0", weights="tiny", configuration="0" * 64)


class Observer:
    """Counts nothing."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_: None


class Filmed:
    """A camera that is read; each sample is scored 0.9 while an incident is open, else 0.1."""

    def __init__(self, recorder: EvidenceRecorder, name: str, url: str) -> None:
        self.name = name
        self._news = threading.Condition()
        self.samples: list[Sample] = []
        self._open: Incident | None = None
        self._opened_s = self._lasted_s = 0.0
        camera = CameraSettings(
            name=name,
            url=url,
            site="yard",
            capture=CaptureSettings(open_timeout_s=3, read_timeout_s=1, activity_gate=False),
        )
        self.evidence = recorder.camera(camera)
        self.states: list[str] = []
        self.reader = CameraReader(
            camera,
            self._sampled,
            self._state,
            Observer(),  # type: ignore[arg-type]
            ring=self.evidence.ring,
        )
        self.reader.start()

    def watch(self, seconds: float) -> None:
        """Until it has been sampled for so long from now on, by its samples' own times."""
        with self._news:
            begun_s = time.monotonic()
            within = lambda: bool(self.samples) and self.samples[-1].at_s - begun_s >= seconds  # noqa: E731
            assert self._news.wait_for(within, 30 + seconds), f"{self.name}: {self.states}"

    def wait_state(self, state: str) -> None:
        with self._news:
            assert self._news.wait_for(lambda: self.states and self.states[-1] == state, 30)

    def open(self, before: Callable[[Incident], None] = lambda _: None) -> Incident:
        """An incident opens with the newest sample; `before` it is told."""
        with self._news:
            sample = self.samples[-1]
            self._open = Incident(
                uuid7(), self.name, "violence", sample.utc, None, 0.9, Phase.OPENED
            )
            before(self._open)
            self._opened_s = sample.at_s
            self.evidence.changed(self._open, sample, None, sample.at_s)
            self._score(sample)
            return self._open

    def close(self) -> None:
        """It is over."""
        with self._news:
            assert self._open
            self._lasted_s = duration_s = time.monotonic() - self._opened_s
            closed = Incident(
                self._open.id,
                self.name,
                "violence",
                self._open.opened_at,
                datetime.now(UTC),
                0.9,
                Phase.CLOSED,
                duration_s,
            )
            self.evidence.changed(closed, None, None, time.monotonic())
            self._open = None

    def sampled_within(self, seconds: float) -> int:
        """Samples of the last `seconds` before the incident was closed."""
        with self._news:
            ended_s = self._opened_s + self._lasted_s
            return sum(ended_s - seconds < sample.at_s <= ended_s for sample in self.samples)

    @property
    def closed(self) -> bool:
        """Whether no incident is open."""
        return self._open is None

    def _sampled(self, sample: Sample) -> None:
        with self._news:
            self.samples.append(sample)
            self._score(sample)
            self._news.notify_all()

    def _score(self, sample: Sample) -> None:
        value = 0.9 if self._open else 0.1
        score = Score(self.name, sample.at_s, sample.utc, "violence", value, value)
        self.evidence.scored(sample.at_s, [score], sample, BOX)

    def _state(self, change: Any) -> None:
        with self._news:
            self.states.append(change.state.value)
            self._news.notify_all()


class Evidence:
    """A recorder that runs, the cameras that it has, and what it has told."""

    def __init__(self, folder: Path, **settings: float) -> None:
        given = {"pre_roll_s": 1, "post_roll_s": 1} | settings
        self.folder = folder
        self._news = threading.Condition()
        self.told: list[EvidenceFile] = []
        self.deleted: list[Path] = []
        self.recorder = EvidenceRecorder(
            EvidenceSettings.model_validate(given), folder, ORIGIN, self._stored, self._deleted
        )
        self.recorder.start()
        self.films: list[Filmed] = []

    def film(self, url: str, name: str = "gate") -> Filmed:
        self.films.append(Filmed(self.recorder, name, url))
        return self.films[-1]

    def of(self, incident: Incident) -> Path:
        return folder_of(self.folder, incident.id, incident.opened_at)

    def whole(self, incident: Incident) -> EvidenceRecord:
        """The record once all is collected; what it names is there, and as its hash says."""

        def found() -> bool:
            path = self.of(incident)
            return (path / RECORD).exists() and read_record(path).state is State.WHOLE

        with self._news:
            assert self._news.wait_for(found, 30), list(self.folder.rglob("*"))
        record = read_record(self.of(incident))
        check_hashes(self.of(incident), record)
        return record

    def stop(self) -> None:
        for film in self.films:
            film.reader.stop(2)
        self.recorder.stop(Deadline.after(5))

    def lost(self) -> Counter[str]:
        return self.recorder.lost

    def _stored(self, file: EvidenceFile) -> None:
        with self._news:
            self.told.append(file)
            # The record is renamed into place a moment later: looked for again then.
            threading.Timer(0.3, self._look).start()

    def _look(self) -> None:
        with self._news:
            self._news.notify_all()

    def _deleted(self, folder: Path) -> None:
        with self._news:
            self.deleted.append(folder)
            self._news.notify_all()


def stored_incident(
    evidence: Path, days_old: int, size: int = 1000, state: State = State.WHOLE
) -> Path:
    """An incident's folder as the daemon leaves it."""
    opened_at = datetime.now(UTC) - timedelta(days=days_old)
    incident: UUID = uuid7()
    folder = folder_of(evidence, incident, opened_at)
    folder.mkdir(parents=True)
    (folder / "clip-1.mp4").write_bytes(bytes(size))
    record = EvidenceRecord(
        incident=incident, camera="gate", site="yard", label="violence", opened_at=opened_at,
        closed_at=opened_at, peak=0.9, reason=None, state=state, version="", weights="",
        configuration="", clips=[], missing=[],
        files=[FileRecord(name="clip-1.mp4", kind=Kind.CLIP, bytes=size, sha256="0" * 64)],
    )  # fmt: skip
    (folder / RECORD).write_text(record.model_dump_json())
    return folder


def wait_for(found: Callable[[], object]) -> None:
    """Until `found` gives something true, or 30 s."""
    deadline_s = time.monotonic() + 30
    never = threading.Event()
    while not found():
        assert time.monotonic() < deadline_s
        never.wait(0.02)


def check_hashes(folder: Path, record: EvidenceRecord) -> None:
    """Every file that counts is there, and nothing else."""
    for file in record.files:
        data = (folder / file.name).read_bytes()
        assert len(data) == file.bytes
        assert hashlib.sha256(data).hexdigest() == file.sha256
    names = {path.name for path in folder.iterdir()}
    assert names == {file.name for file in record.files} | {RECORD}


def played(path: Path) -> list[av.VideoFrame]:
    """Every picture of a clip, after a look at its packets: a key frame first, times that rise."""
    with av.open(str(path)) as container:
        packets = [p for p in container.demux(video=0) if p.size]
    assert packets[0].is_keyframe
    times = [packet.dts for packet in packets]
    assert times == sorted(set(times))
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    assert len(frames) == len(packets)
    shown = [frame.pts for frame in frames]
    assert shown == sorted(set(shown))
    return frames
