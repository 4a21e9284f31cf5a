"""`jikimi check`: whether a configuration file is good, before the daemon runs with it."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from config.errors import ConfigError, UsageError
from detector.cli.settings import CONFIG_HELP, NO_CAMERAS, config_file

if TYPE_CHECKING:  # `jikimi --help` need not wait for them
    from alerts.sink import Problem
    from config.load import Configuration
    from config.settings import ConfirmSettings, Settings
    from config.tree import Mistake, Node

DESCRIPTION = """\
Check a configuration file against its schema, and against this machine: the
certificates, programs, folders, weights and camera files that it names. What
two sinks cannot share is found, too, and a camera of whose alarms nobody hears.
All findings are printed at once. Nothing is connected to: `jikimi probe` tries
a camera, `jikimi drill` every sink. Of a good file it says what a second look
costs on this machine, and how many cameras that is for.

An error means that something will not work: exit code 2. A warning is about
what may be meant so, or about hardware that another machine may have, such as a
GPIO chip, its library or a USB camera: exit code 0. Check as the user that the
daemon runs as, since files that this user may not read are errors."""

EMPTY = "holds no settings; write lines such as cameras: and, further in, gate: rtsp://…"


def add_commands(commands: Any) -> None:
    """Add `check`."""
    check = commands.add_parser(
        "check",
        help="check a configuration file, or print its schema",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    check.add_argument("file", nargs="?", type=Path, metavar="FILE", help=CONFIG_HELP)
    check.add_argument(
        "--schema", action="store_true", help="print the JSON schema of the file, for editors"
    )
    check.set_defaults(run=_check)


def _check(chosen: argparse.Namespace) -> int:
    from alerts.registry import sink_options  # noqa: PLC0415 - as above
    from config.load import read_configuration, told  # noqa: PLC0415
    from config.schema import settings_schema  # noqa: PLC0415

    if chosen.schema:
        print(json.dumps(settings_schema(sink_options()), indent=2, ensure_ascii=False))
        return 0
    file = config_file(chosen.file)
    if file is None:
        raise UsageError("name the file to check, such as `jikimi check /etc/jikimi/jikimi.yaml`")
    read = read_configuration(file, os.environ, [], sink_options())
    found = list(_problems(read, file))
    errors = [_mistake(problem, read.tree) for problem in found if problem.severity == "error"]
    warnings = [_mistake(problem, read.tree) for problem in found if problem.severity == "warning"]
    errors = [*read.mistakes, *errors]
    for word, mistakes in (("error", errors), ("warning", warnings)):
        for line in told(mistakes):
            print(f"{word}: {line}", file=sys.stderr)
    if errors or read.settings is None:
        return ConfigError.exit_code
    _show(file, read.settings)
    from detector.cli.machine import second_look_here  # noqa: PLC0415 - loads LiteRT

    if look := second_look_here(read.settings):
        print(f"  {look}")
    return 0


def _problems(read: Configuration, file: Path) -> Iterator[Problem]:
    """What is missing: in the file, and on this machine."""
    if read.settings is None:
        return
    from alerts.sink import Problem  # noqa: PLC0415 - as above
    from detector.cli.machine import machine_problems  # noqa: PLC0415

    stated = read.tree.children()
    if not any(node.place.source == str(file) for node in stated.values()):
        yield Problem((), EMPTY)
    elif "cameras" not in stated or not stated["cameras"].children():
        yield Problem(("cameras",), NO_CAMERAS)
    yield from machine_problems(read.settings)


def _mistake(problem: Problem, tree: Node) -> Mistake:
    """With the line on which the key stands; a key that stands nowhere has none."""
    from config.tree import Mistake, Place, key_text  # noqa: PLC0415 - as above

    node = tree.find(problem.key)
    place = node.place if node.key or not problem.key else Place(tree.place.source)
    return Mistake(place, key_text(problem.key), problem.text)


def _show(file: Path, settings: Settings) -> None:
    print(f"{file}: good: {len(settings.cameras)} camera(s), {len(settings.sinks)} sink(s)")
    from detector.daemon.operators.zones import ZONES, drawn_in  # noqa: PLC0415 - loads OpenCV

    zones = settings.state_dir / ZONES
    drawn = drawn_in(zones)
    for camera in settings.cameras:
        told = f"  (zones drawn in the console: {zones})" if camera.name in drawn else ""
        print(f"  camera {camera.name}  {camera.url}{told}")
    for sink in settings.sinks:
        print(f"  sink {sink.name} ({sink.type}){_confirm(sink.confirm)}")


def _confirm(confirm: ConfirmSettings | None) -> str:
    if confirm is None:
        return ""
    then = {"send": "sends", "drop": "drops"}[confirm.then]
    return f"  waits {confirm.within_s:g} s for an operator, then {then} what none confirmed"
