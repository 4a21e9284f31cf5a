"""Zones that were drawn in the console: `zones.json` in the state directory.

They are laid over the configuration's `detection.watch` and `detection.ignore`, at the start and at
each reload. A file that is damaged, or another format's, is set aside and said. No file is ever
half written.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from structlog import get_logger

from alerts.storage.faults import StorageFaults
from alerts.storage.files import (
    START_S,
    in_the_way,
    move_aside,
    unfinished,
    within,
    write_whole,
)
from config.errors import ControlError
from config.settings import CameraSettings, Polygon, Settings
from detector.console.monitor import Zones
from detector.motion.view import zone_mask

ZONES = "zones.json"
"""In the state directory."""

FORMAT = 1

MAX_BYTES = 2**22
"""1,000 cameras with four polygons of ten corners each take 1 MB."""

MAX_POLYGONS = 32
MAX_CORNERS = 64
"""Of one polygon; nobody draws as many by hand."""

DIGITS = 4
"""Of a coordinate: a tenth of a pixel at 1080p."""

log = get_logger()


class _CameraZones(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    watch: list[Polygon]
    ignore: list[Polygon]
    by: str
    at: datetime


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    format: int = Field(ge=FORMAT, le=FORMAT)
    cameras: dict[str, _CameraZones]


class DrawnZones:
    """What was drawn, by camera. Safe from any thread."""

    def __init__(self, path: Path, faults: StorageFaults | None = None) -> None:
        """Read what is there; without it where the disk does not answer."""
        self._path = path
        self._faults = faults or StorageFaults()
        self._lock = threading.Lock()
        self._cameras: dict[str, _CameraZones] = {}
        self._unread = False
        self.read()

    def read(self) -> None:
        """Take what the file says now; what was known stays where it cannot be read."""
        try:
            found = within(START_S, self._read)
        except OSError as error:
            self._unread = True
            self._fails(error)
            return
        self._unread = False
        with self._lock:
            self._cameras = dict(found.cameras) if found else {}

    def names(self) -> list[str]:
        """The cameras whose zones were drawn."""
        with self._lock:
            return list(self._cameras)

    def laid_over(self, settings: Settings) -> Settings:
        """The settings with each camera's zones as they were drawn."""
        with self._lock:
            drawn = dict(self._cameras)
        cameras = [
            _with_zones(camera, drawn[camera.name]) if camera.name in drawn else camera
            for camera in settings.cameras
        ]
        return settings.model_copy(update={"cameras": cameras})

    def put(self, camera: str, zones: Zones | None, by: str) -> None:
        """Keep `zones` of `camera`, None: have the configuration's again.

        Raises ControlError, with nothing changed, where they are wrong or the disk refuses.
        """
        self._put(camera, None if zones is None else _checked(camera, zones, by))

    def body(self, camera: str) -> str:
        """What was drawn of `camera` as JSON, for another daemon's `adopt`; empty: nothing."""
        with self._lock:
            own = self._cameras.get(camera)
        return own.model_dump_json() if own else ""

    def adopt(self, camera: str, body: str) -> None:
        """Keep what another daemon has of `camera`; ValueError where that is damaged."""
        own = _CameraZones.model_validate_json(body) if body else None
        if own or camera in self.names():
            with suppress(ControlError):  # the fault is told
                self._put(camera, own)

    def _put(self, camera: str, own: _CameraZones | None) -> None:
        with self._lock:
            cameras = {name: each for name, each in self._cameras.items() if name != camera}
            if own:
                cameras[camera] = own
            whole = _File(format=FORMAT, cameras=cameras)
            try:
                within(START_S, partial(self._write, whole.model_dump_json(indent=1)))
            except OSError as error:
                self._fails(error)
                reason = error.strerror or str(error)
                raise ControlError(f"the zones are not kept: {self._path}: {reason}") from error
            self._cameras = cameras
            self._unread = False
        self._faults.works("zones", self._path)

    def _read(self) -> _File | None:
        if what := in_the_way(self._path):
            self._set_aside(f"{what} is there")
            return None
        try:
            if (size := self._path.stat().st_size) > MAX_BYTES:
                self._set_aside(f"{size} bytes")
                return None
            return _File.model_validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return None
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            self._set_aside(first["msg"])
            return None

    def _write(self, text: str) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        for one in (self._path, unfinished(self._path)):
            if what := in_the_way(one):
                self._faults.set_aside("zones", one, move_aside(one), f"{what} is there")
        if self._unread and self._path.exists():  # it may hold those of other cameras
            self._set_aside("it could not be read")
        write_whole(self._path, text.encode())

    def _set_aside(self, reason: str) -> None:
        self._faults.set_aside("zones", self._path, move_aside(self._path), reason)

    def _fails(self, error: OSError) -> None:
        self._faults.fails("zones", self._path, error.strerror or str(error))


def drawn_in(path: Path) -> list[str]:
    """The cameras whose zones stand in the file; none where it cannot be read. Changes nothing."""
    try:
        return list(_File.model_validate_json(path.read_bytes()).cameras)
    except (OSError, ValidationError):
        return []


def _with_zones(camera: CameraSettings, zones: _CameraZones) -> CameraSettings:
    drawn = {"watch": zones.watch, "ignore": zones.ignore}
    detection = camera.detection.model_copy(update=drawn)
    return camera.model_copy(update={"detection": detection})


def _checked(camera: str, zones: Zones, by: str) -> _CameraZones:
    """Rounded; ControlError where there are too many, or nothing is left to be watched."""
    for polygons in (zones.watch, zones.ignore):
        if len(polygons) > MAX_POLYGONS or any(len(each) > MAX_CORNERS for each in polygons):
            raise ControlError(
                f"at most {MAX_POLYGONS} zones of {MAX_CORNERS} corners each are kept"
            )
    try:
        own = _CameraZones(
            watch=_rounded(zones.watch),
            ignore=_rounded(zones.ignore),
            by=by,
            at=datetime.now(UTC),
        )
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise ControlError(f"a zone is wrong: {first['msg']}") from None
    if not np.any(zone_mask(180, 320, own.watch, own.ignore)):
        raise ControlError(
            f"these zones leave nothing of camera {camera} in which motion counts; "
            "draw a larger zone to watch, or a smaller one to ignore"
        )
    return own


def _rounded(polygons: list[Polygon]) -> list[Polygon]:
    return [[(round(x, DIGITS), round(y, DIGITS)) for x, y in each] for each in polygons]
