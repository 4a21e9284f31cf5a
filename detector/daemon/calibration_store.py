"""What cameras have learnt, on disk: one JSON file a camera, in the folder `calibration`.

Bound to the weights and to what the camera looks at: with other weights, another address or
other polygons it is learnt anew. So too where a file is damaged; that is set aside and named in
the log. No file is ever half written.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Protocol

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from structlog import get_logger

from alerts.deadline import Deadline
from alerts.liveness import LiveThread
from config.settings import CameraSettings
from detector.incidents.calibration import DAY_H, DAYS, LEVELS, Day, Learnt
from detector.inference.weights import Sidecar

SAVE_EVERY_S = 300.0
"""What a crash may cost of two weeks."""

FORMAT = 1

log = get_logger()


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class _DayFile(_Part):
    hours: float = Field(ge=0, le=2 * DAY_H)
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
    """Keeps what the cameras of one daemon have learnt with one set of weights."""

    def __init__(self, folder: Path, sidecar: Sidecar) -> None:
        self._folder = folder
        self._writing = threading.Lock()
        told = {"labels", "view", "engines", "head", "calibration", "incident"}
        self._weights = _digest(sidecar.model_dump_json(include=told))

    def load(self, camera: CameraSettings) -> dict[str, Learnt]:
        """By label, what `camera` has learnt; empty where it starts afresh."""
        path = self._path(camera.name)
        try:
            found = _File.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return {}
        except OSError as error:
            log.warning("calibration not readable, learning anew", file=str(path), error=str(error))
            return {}
        except ValidationError as error:
            _set_aside(path, error)
            return {}
        if found.weights != self._weights or found.camera != _looks_at(camera):
            log.info("camera or weights changed, thresholds are learnt anew", camera=camera.name)
            return {}
        return {
            label: Learnt(
                tuple(Day(d.hours, np.array(d.openings, np.int64)) for d in learnt.days),
                learnt.level,
            )
            for label, learnt in found.labels.items()
        }

    def save(self, camera: CameraSettings, learnt: Mapping[str, Learnt]) -> None:
        """Write what `camera` has learnt; a disk that refuses is named in the log."""
        path = self._path(camera.name)
        whole = _File(
            format=FORMAT,
            weights=self._weights,
            camera=_looks_at(camera),
            labels={
                label: _LabelFile(
                    level=own.level,
                    days=[_DayFile(hours=d.hours, openings=d.openings.tolist()) for d in own.days],
                )
                for label, own in learnt.items()
            },
        )
        unfinished = path.with_suffix(".unfinished")
        try:
            with self._writing, unfinished.open("w") as file:
                file.write(whole.model_dump_json())
                file.flush()
                os.fsync(file.fileno())
                unfinished.replace(path)
        except OSError as error:
            log.warning("calibration not saved", file=str(path), error=str(error))

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.json"


class LearningCamera(Protocol):
    """A camera that saves what it has learnt."""

    def save_calibration(self) -> None:
        """Write it to disk."""


class CalibrationSaver:
    """Saves every camera's calibration now and then, in a thread: a slow disk holds nobody up."""

    def __init__(self, cameras: Callable[[], Iterable[LearningCamera]]) -> None:
        self._cameras = cameras
        self._stopping = threading.Event()
        self.thread = LiveThread("calibration", self._run)

    def start(self) -> None:
        """Start saving."""
        self.thread.start()

    def request_stop(self) -> None:
        """Save once more, then end; returns at once."""
        self._stopping.set()

    def stop(self, deadline: Deadline) -> None:
        """Save once more, then end; gives up waiting at `deadline`."""
        self.request_stop()
        self.thread.join(deadline.left_s())

    def _run(self) -> None:
        stopping = False
        while not stopping:
            self.thread.waiting()
            stopping = self._stopping.wait(SAVE_EVERY_S)
            for camera in self._cameras():
                self.thread.beat()
                camera.save_calibration()


def _looks_at(camera: CameraSettings) -> str:
    """Stands for what the camera sees; of its address without the password, which may change."""
    detection = camera.detection
    facts = [camera.url.redacted, detection.watch, detection.ignore]
    return _digest(json.dumps(facts))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _set_aside(path: Path, error: ValidationError) -> None:
    broken = path.with_suffix(".broken")
    first = error.errors(include_input=False, include_url=False)[0]
    try:
        path.replace(broken)
    except OSError:
        broken = path
    log.warning(
        "calibration file is damaged, learning anew",
        file=str(path),
        set_aside=str(broken),
        error=first["msg"],
    )
