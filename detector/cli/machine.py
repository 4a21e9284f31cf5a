"""What the settings name and this machine lacks. Connects to nothing and changes nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from alerts.sink import CheckableOptions, Problem
from config.errors import ModelError
from config.settings import CameraSettings, Settings, SinkSettings
from detector.inference.weights import check_weights


def machine_problems(settings: Settings) -> Iterator[Problem]:
    """What would not work here, each with its key in the file."""
    yield from _state_dir(settings.state_dir)
    try:
        check_weights(settings.weights, settings.engine)
    except ModelError as error:
        yield Problem(("weights",), str(error))
    for camera in settings.cameras:
        yield from _camera(camera)
    for sink in settings.sinks:
        yield from _sink(sink)


def _state_dir(folder: Path) -> Iterator[Problem]:
    """It, or the folder in which the daemon would create it, can be written."""
    at = folder.absolute()
    there = next(path for path in (at, *at.parents) if os.path.lexists(path))
    if not there.is_dir():
        yield Problem(("state_dir",), f"{there} is no folder; name another one")
    elif not os.access(there, os.W_OK | os.X_OK):
        text = f"this user may not write to {there}; check its owner, or name another folder"
        yield Problem(("state_dir",), text)


def _camera(camera: CameraSettings) -> Iterator[Problem]:
    """Its file or device is there; a network camera is for `jikimi probe`."""
    path, key = Path(camera.url.url), ("cameras", camera.name, "url")
    if camera.url.kind == "file":
        if not os.path.lexists(path):
            yield Problem(key, f"the file {path} does not exist; correct the path")
        elif not path.is_file():
            yield Problem(key, f"{path} is no file; name a video file")
        elif not os.access(path, os.R_OK):
            yield Problem(key, f"the file {path} may not be read by this user; check its mode")
    elif camera.url.kind == "device" and not os.access(path, os.R_OK | os.W_OK):
        text = (
            f"{path} is not there, or may not be opened by this user; plug the camera in, and "
            "check as a user in the group video"
        )
        yield Problem(key, text, "warning")


def _sink(sink: SinkSettings) -> Iterator[Problem]:
    """What its options say themselves."""
    if isinstance(sink.options, CheckableOptions):
        for problem in sink.options.problems():
            yield Problem(("sinks", sink.name, *problem.key), problem.text, problem.severity)
