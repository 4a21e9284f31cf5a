"""What cameras have learnt, on disk: one JSON file a camera, in the folder `calibration`.

Bound to the weights and to what the camera looks at: with other weights, another address or
other polygons it is learnt anew. So too where a file is damaged; that is set aside and named. No
file is ever half written.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Protocol
from uuid import UUID

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from structlog import get_logger

from alerts.deadline import Deadline
from alerts.liveness import LiveThread
from alerts.storage.faults import StorageFaults
from alerts.storage.files import (
    START_S,
    in_the_way,
    move_aside,
    unfinished,
    within,
    write_whole,
)
from config.settings import CameraSettings
from detector.incidents.calibration import DAY_H, DAYS, KEPT_ALARMS, LEVELS, Alarm, Day, Learnt
from detector.inference.weights import Sidecar

SAVE_EVERY_S = 300.0
"""What a crash may cost of two weeks."""

RETRY_S = 30.0
"""A disk that refused is tried again."""

MAX_BYTES = 2**20
"""Two weeks of two labels take 10 kB, with 200 incidents a day 500."""

FORMAT = 1

log = get_logger()


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class _AlarmFile(_Part):
    peak: float
    is_false: bool | None = None


class _DayFile(_Part):
    hours: float = Field(ge=0, le=2 * DAY_H)
    alarms: dict[UUID, _AlarmFile] = Field(default={}, max_length=KEPT_ALARMS)
    openings: list[Annotated[int, Field(ge=0)]] = Field(
        min_length=len(LEVELS), max_length=len(LEVELS)
    )


class _LabelFile(_Part):
    level: float
    days: list[_DayFile] = Field(min_length=1, max_length=DAYS)


class _File(_Part):
    format: int = Field(ge=FORMAT, le=FORMAT)
    weights: str
    camera: str
    labels: dict[str, _LabelFile]


class CalibrationStore:
    """Keeps what the cameras of one daemon have learnt with one set of weights.

    In memory; what is to be on disk is written by whoever calls `write`. Nobody else waits for
    the disk, but for the start, a little.
    """

    def __init__(
        self,
        folder: Path,
        sidecar: Sidecar,
        faults: StorageFaults | None = None,
        saved: Callable[[str, str], None] = lambda *_: None,
    ) -> None:
        """Read all that is there; without it where the disk does not answer.

        `saved` hears of each camera that is saved by name, with the text of its file.
        """
        self._saved = saved
        self._folder = folder
        self._faults = faults or StorageFaults()
        told = {"labels", "view", "engines", "head", "calibration", "incident"}
        text = sidecar.model_dump_json(include=told)
        if look := sidecar.second_look:
            text += look.model_dump_json(include={"label", "network", "head", "window", "rules"})
        self._weights = _digest(text)
        self._state = threading.Condition()
        self._learnt: dict[str, _File] = {}
        self._waiting: dict[str, _File] = {}
        self._ours: set[str] = set()
        """Names of files that were read or written: no other may be written over."""
        self.changed = threading.Event()
        """Set once something is to be written."""
        try:
            within(START_S, self._read_all)
        except OSError as error:
            self._fails(folder, error)

    def load(self, camera: CameraSettings) -> dict[str, Learnt]:
        """By label, what `camera` has learnt; empty where it starts afresh."""
        with self._state:
            found = self._learnt.get(camera.name)
        if found is None:
            return {}
        if found.weights != self._weights or found.camera != _looks_at(camera):
            log.info("camera or weights changed, thresholds are learnt anew", camera=camera.name)
            return {}
        return {
            label: Learnt(
                tuple(_day(one) for one in learnt.days),
                learnt.level,
            )
            for label, learnt in found.labels.items()
        }

    def save(self, camera: CameraSettings, learnt: Mapping[str, Learnt]) -> None:
        """Keep what `camera` has learnt; it is written a moment later."""
        whole = _File(
            format=FORMAT,
            weights=self._weights,
            camera=_looks_at(camera),
            labels={
                label: _LabelFile(
                    level=own.level,
                    days=[_day_file(one) for one in own.days],
                )
                for label, own in learnt.items()
            },
        )
        with self._state:
            self._learnt[camera.name] = self._waiting[camera.name] = whole
        self.changed.set()
        self._saved(camera.name, whole.model_dump_json())

    def adopt(self, camera: str, text: str) -> None:
        """Keep what another daemon has saved of `camera`; ValueError where it is damaged."""
        whole = _File.model_validate_json(text)
        with self._state:
            self._learnt[camera] = self._waiting[camera] = whole
        self.changed.set()

    def write(self) -> None:
        """Write what waits; a disk that refuses is named, and what it refused waits on."""
        with self._state:
            waiting = dict(self._waiting)
        for name, whole in waiting.items():
            try:
                self._write(name, whole)
            except OSError as error:
                self._fails(self._path(name), error)
                return
            with self._state:
                if self._waiting.get(name) is whole:
                    del self._waiting[name]
                self._state.notify_all()
        if waiting:
            self._faults.works("calibration", self._folder)

    def flush(self, timeout_s: float) -> str | None:
        """Wait until all is written; why not, where the disk refuses or takes too long."""
        with self._state:
            if self._state.wait_for(lambda: not self._waiting, timeout_s):
                return None
        return self._faults.failing("calibration") or "the disk does not answer"

    @property
    def waits(self) -> bool:
        """Whether something is to be written."""
        with self._state:
            return bool(self._waiting)

    def _write(self, name: str, whole: _File) -> None:
        self._make_folder()
        path = self._path(name)
        for one in (path, unfinished(path)):
            if what := in_the_way(one):
                self._set_aside(one, f"{what} is there")
        if name not in self._ours and path.exists():
            self._set_aside(path, "it could not be read")
        write_whole(path, whole.model_dump_json().encode())
        self._ours.add(name)

    def _read_all(self) -> None:
        self._make_folder()
        whole = True
        for path in sorted(self._folder.glob("*.json")):
            try:
                found = self._read(path)
            except OSError as error:  # of the others something may be readable
                self._fails(path, error)
                whole = False
                continue
            if found:
                self._ours.add(path.stem)
                with self._state:
                    self._learnt.setdefault(path.stem, found)
        if whole:
            self._faults.works("calibration", self._folder)  # it has answered, however late

    def _read(self, path: Path) -> _File | None:
        if what := in_the_way(path):
            self._set_aside(path, f"{what} is there")
            return None
        if (size := path.stat().st_size) > MAX_BYTES:
            self._set_aside(path, f"{size} bytes")
            return None
        try:
            return _File.model_validate_json(path.read_bytes())
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            self._set_aside(path, first["msg"])
            return None

    def _make_folder(self) -> None:
        if self._folder.is_symlink() or self._folder.exists():
            if self._folder.is_dir():
                return
            self._set_aside(self._folder, "no directory")
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o750)

    def _set_aside(self, path: Path, reason: str) -> None:
        self._faults.set_aside("calibration", path, move_aside(path), reason)

    def _fails(self, path: Path, error: OSError) -> None:
        self._faults.fails("calibration", path, error.strerror or str(error))

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.json"


class Learner(Protocol):
    """What a camera learns: `watched.learning`."""

    def save(self) -> None:
        """Hand it to the store."""


class CalibrationSaver:
    """Writes what is to be on disk, and every camera's calibration now and then, in a thread."""

    def __init__(self, learners: Callable[[], Iterable[Learner]], store: CalibrationStore) -> None:
        self._learners = learners
        self._store = store
        self._stopping = threading.Event()
        self.thread = LiveThread("calibration", self._run)

    def start(self) -> None:
        """Start saving."""
        self.thread.start()

    def request_stop(self) -> None:
        """Save once more, then end; returns at once."""
        self._stopping.set()
        self._store.changed.set()

    def stop(self, deadline: Deadline) -> None:
        """Save once more, then end; gives up waiting at `deadline`."""
        self.request_stop()
        self.thread.join(deadline.left_s())

    def _run(self) -> None:
        due_s = time.monotonic() + SAVE_EVERY_S
        stopping = False
        while not stopping:
            wait_s = max(due_s - time.monotonic(), 0.0)
            self.thread.waiting()
            self._store.changed.wait(min(wait_s, RETRY_S) if self._store.waits else wait_s)
            self.thread.beat()
            self._store.changed.clear()
            stopping = self._stopping.is_set()
            if stopping or time.monotonic() >= due_s:
                due_s = time.monotonic() + SAVE_EVERY_S
                for learner in self._learners():
                    learner.save()
            self.thread.beat()
            self._store.write()


def _day(file: _DayFile) -> Day:
    alarms = {key: Alarm(one.peak, one.is_false) for key, one in file.alarms.items()}
    return Day(file.hours, np.array(file.openings, np.int64), alarms)


def _day_file(day: Day) -> _DayFile:
    alarms = {
        key: _AlarmFile(peak=one.peak, is_false=one.is_false) for key, one in day.alarms.items()
    }
    return _DayFile(hours=day.hours, openings=day.openings.tolist(), alarms=alarms)


def _looks_at(camera: CameraSettings) -> str:
    """Stands for what the camera sees; of its address without the password, which may change."""
    detection = camera.detection
    facts = [camera.url.identity or camera.url.url, detection.watch, detection.ignore]
    if not detection.second_look:
        facts.append("motion alone")  # whose probabilities are others
    return _digest(json.dumps(facts))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
