"""What the settings name and this machine lacks. Connects to nothing and changes nothing."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

from pydantic import BaseModel

from alerts.sink import CheckableOptions, Problem, box_of
from config.errors import ModelError
from config.settings import CameraSettings, Settings, SinkSettings
from detector.console.server import NO_ACCOUNTS, is_loopback
from detector.console.tls import tls_problems
from detector.inference.second_look.looking import look_time
from detector.inference.second_look.weights import check_second_look
from detector.inference.weights import check_weights
from detector.planning import told_looks


def machine_problems(settings: Settings) -> Iterator[Problem]:
    """What would not work here, each with its key in the file."""
    yield from _state_dir(settings.state_dir)
    try:
        check_weights(settings.weights, settings.local_engine)
        check_second_look(settings.weights)
    except ModelError as error:
        yield Problem(("weights",), str(error))
    if settings.journal.url and find_spec("psycopg") is None:
        text = "needs the driver of PostgreSQL; install it by pip install 'jikimi[postgresql]'"
        yield Problem(("journal", "url"), text)
    yield from tls_problems(settings.http, time.time())
    if not settings.http.accounts and not is_loopback(settings.http.host):
        yield Problem(("http",), NO_ACCOUNTS, "warning")
    elif settings.http.public_url and not settings.http.accounts:
        text = "is of no use to people: there are no accounts to log in with; state http.accounts"
        yield Problem(("http", "public_url"), text, "warning")
    for camera in settings.cameras:
        yield from _camera(camera)
    for sink in settings.sinks:
        yield from _sink(sink)
        if box_of(sink) and not settings.journal.url:
            text = (
                "other boxes hand it their alerts over the journal that all share; state journal: "
                "url:, or leave box: out where there is but one"
            )
            yield Problem(("sinks", sink.name, "box"), text, "warning")
    yield from _shared(settings.sinks)
    yield from _unheard(settings)


def second_look_here(settings: Settings) -> str:
    """What the second look costs on this machine; empty where there is none.

    Raises ModelError where LiteRT cannot run its network.
    """
    if not any(camera.detection.second_look for camera in settings.cameras):
        return ""
    look_s = look_time(settings.weights)
    return "" if look_s is None else f"a second look {told_looks(look_s)}"


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
    is_of_a_box = box_of(sink) is not None
    if isinstance(sink.options, CheckableOptions):
        for problem in sink.options.problems():
            key = ("sinks", sink.name, *problem.key)
            if is_of_a_box:
                yield Problem(key, f"{problem.text} (of a cluster: on that box alone)", "warning")
            else:
                yield Problem(key, problem.text, problem.severity)


def _shared(sinks: Sequence[SinkSettings]) -> Iterator[Problem]:
    """What two sinks have in common and only one can have."""
    seen: dict[tuple[object, ...], str] = {}
    for sink in sinks:
        for name, what in _alone(sink.options):
            first = seen.setdefault((name, *what), sink.name)
            if first != sink.name:
                text = f"is also that of the sink {first}; {_REMEDY[name]}"
                yield Problem(("sinks", sink.name, name), text)


_REMEDY = {
    "pin": "give each relay a pin of its own",
    "client_id": "give each a name of its own, for the broker lets only one of them stay",
}


def _alone(options: BaseModel) -> Iterator[tuple[str, tuple[object, ...]]]:
    """Options that no other sink may state: the key, and what makes it the same."""
    stated = dict(options)
    if stated.get("pin") is not None and stated.get("pin_factory") != "mock":
        pin = re.sub(r"^(GPIO|BCM)(?=\d)", "", str(stated["pin"]).upper())
        at = (stated.get("host"), stated.get("port"), stated.get("box"))
        yield "pin", (stated.get("pin_factory"), *at, pin)
    if stated.get("client_id") is not None:
        port = stated.get("port") or (8883 if stated.get("tls") else 1883)
        yield "client_id", (stated.get("host"), port, stated["client_id"])


def _unheard(settings: Settings) -> Iterator[Problem]:
    """Cameras of whose alarms nobody hears, or not at once, and sinks that take no camera."""
    heard: set[str] = set()
    at_once: set[str] = set()
    for sink in settings.sinks:
        route = sink.route
        taken = {
            camera.name
            for camera in settings.cameras
            if (not route.cameras or camera.name in route.cameras)
            and (not route.sites or camera.site in route.sites)
        }
        heard |= taken
        at_once |= set() if sink.confirm else taken
        if settings.cameras and not taken:
            text = (
                "takes no camera, for none of cameras: is at one of sites:; leave one of them out"
            )
            yield Problem(("sinks", sink.name, "route"), text)
    for camera in settings.cameras:
        if settings.sinks and camera.name not in heard:
            text = "no sink's route takes its alarms; add it to a route, or a sink of type log"
            yield Problem(("cameras", camera.name), text, "warning")
        elif settings.sinks and camera.name not in at_once:
            text = (
                "every sink that takes its alarms waits for an operator, and none calls him; leave "
                "confirm: out at one of them, or add a siren or a sink of type notify"
            )
            yield Problem(("cameras", camera.name), text, "warning")
