"""From YAML file, environment and command line to `Settings`, or to one line for each mistake.

What is stated later in this order wins: YAML, `JIKIMI_*` variables, command line.

Cameras add up: those of `JIKIMI_CAMERAS` and of the command line come on top of the file's.
One with a name that the file has already replaces that camera's address (url, user and
password together, so that a password never goes to another host) and keeps its other settings;
`JIKIMI_CAMERAS__GATE__URL` replaces that one key.
One without a name is called `camera-N` after its position in `JIKIMI_CAMERAS` and then the
command line, or the next number that is free.

Relative paths in the file start from the file's folder, elsewhere from the working directory.
Equal input gives equal `Settings`, so that a reload finds the cameras that did not change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

from pydantic import BaseModel

from config.build import ADDRESS, Builder, named_options
from config.environment import CAMERAS, environment_tree
from config.errors import ConfigError
from config.files import UnfitFileError, expanded
from config.references import is_reference, referenced_variables, resolve
from config.secrets import scrub
from config.settings import Settings, SinkSettings
from config.tree import Mistake, Node, Place, merge
from config.urls import split_camera, split_cameras
from config.yaml_file import read_yaml

TOLD = 30
"""Mistakes told one by one: more than a screen helps nobody."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """What was stated: what is right of it, what is wrong, and where each key stands.

    `settings` leaves out what has a mistake: keys, cameras and sinks; it is None where the file
    cannot be read at all. `tree` holds no secret that stands elsewhere.
    """

    settings: Settings | None
    mistakes: list[Mistake]
    tree: Node


def load_settings(
    path: Path | None,
    environ: Mapping[str, str],
    cameras: Sequence[str],
    sink_options: Mapping[str, type[BaseModel]],
) -> Settings:
    """The whole configuration.

    `cameras` are the command line's `[NAME=]URL`; `sink_options` the sink types there are, each
    with the model of its own keys. Raises ConfigError with one line for each mistake.
    """
    read = read_configuration(path, environ, cameras, sink_options)
    if read.mistakes or read.settings is None:
        raise _error(read.mistakes)
    return read.settings


def read_configuration(
    path: Path | None,
    environ: Mapping[str, str],
    cameras: Sequence[str],
    sink_options: Mapping[str, type[BaseModel]],
) -> Configuration:
    """As `load_settings`, for `jikimi check`: goes on after a mistake, as far as it can."""
    tree, mistakes = read_yaml(path) if path else (Node({}, Place("no file")), [])
    if mistakes and not tree.children():
        return Configuration(None, mistakes, tree)
    tree = _sections(tree)
    named = named_options(tree, sink_options)
    exempt = referenced_variables(tree, named)
    stated, found = environment_tree(environ, tree, exempt)
    mistakes += found
    tree = merge(tree, _sections(stated)) or tree
    given = [(*pair, Place(CAMERAS)) for pair in split_cameras(environ.get(CAMERAS, ""))]
    given += [(*split_camera(text), Place("command line")) for text in cameras]
    tree, found = _add_cameras(tree, given)
    mistakes += found
    resolved, found = resolve(tree, environ, named_options(tree, sink_options))
    mistakes += found
    builder = Builder(sink_options)
    settings = builder.settings(resolved)
    return Configuration(settings, [*mistakes, *builder.mistakes], tree)


def load_sinks(
    path: Path | None, environ: Mapping[str, str], sink_options: Mapping[str, type[BaseModel]]
) -> list[SinkSettings]:
    """Only the sinks of the types in `sink_options`, without their routes.

    Nothing else is checked or resolved: an ExecStopPost= of systemd 252 cannot read credentials,
    and a half-edited camera is no reason to leave a siren on. Raises ConfigError.
    """
    tree, mistakes = read_yaml(path) if path else (Node({}, Place("no file")), [])
    if mistakes and not tree.children():
        raise _error(mistakes)
    named = named_options(tree, sink_options)
    stated, _ = environment_tree(environ, tree, referenced_variables(tree, named))
    tree = merge(tree, stated) or tree
    sinks = tree.children().get("sinks") or Node({}, tree.place)
    wanted = {}
    for name, sink in sinks.children().items():
        entries = {key: node for key, node in sink.children().items() if key != "route"}
        if "type" in entries and entries["type"].value in sink_options:
            wanted[name] = replace(sink, value=entries)
    tree, found = resolve(
        replace(tree, value={"sinks": replace(sinks, value=wanted)}), environ, named
    )
    builder = Builder(sink_options)
    settings = builder.settings(tree)
    if found or builder.mistakes:
        raise _error([*found, *builder.mistakes])
    return settings.sinks


def stated_state_dir(path: Path) -> Path | None:
    """`state_dir` of the file alone, for who asks a running daemon; None where it states none.

    What else the file says, or that it cannot be read, is the daemon's business.
    """
    tree, _ = read_yaml(path)
    node = tree.children().get("state_dir")
    if node is None or not isinstance(node.value, str):
        return None
    with suppress(UnfitFileError):  # which the daemon's start says
        return path.parent / expanded(node.value)
    return None


def in_order(mistakes: Sequence[Mistake]) -> list[Mistake]:
    """In the order of the file; of several at one place and key, the first one found."""
    first: dict[tuple[Place, str], Mistake] = {}
    for mistake in mistakes:
        first.setdefault((mistake.place, mistake.key), mistake)
    return sorted(first.values(), key=lambda m: (m.place.line is None, m.place.line or 0))


def told(mistakes: Sequence[Mistake]) -> list[str]:
    """The lines that the operator reads: one a mistake, and how many there are beyond `TOLD`."""
    found = in_order(mistakes)
    lines = [scrub(str(mistake)) for mistake in found[:TOLD]]
    if (more := len(found) - TOLD) > 0:
        lines.append(f"{found[TOLD].place}: and {more} more mistake(s) from here; mend these first")
    return lines


def _error(mistakes: Sequence[Mistake]) -> ConfigError:
    """One line a mistake."""
    return ConfigError("\n".join(told(mistakes)))


def _sections(tree: Node) -> Node:
    """`gate: rtsp://…` becomes `gate: {url: rtsp://…}`, so that layers can be merged."""
    cameras = tree.children().get("cameras")
    if cameras is None or not cameras.children():
        return tree
    sections = {
        name: _section_of(node) if is_reference(node) or isinstance(node.value, str) else node
        for name, node in cameras.children().items()
    }
    return replace(tree, value={**tree.children(), "cameras": replace(cameras, value=sections)})


def _section_of(url: Node) -> Node:
    inner = replace(url, key=(*url.key, "url"))
    return Node({"url": inner}, url.place, url.key)


def _add_cameras(
    tree: Node, given: Sequence[tuple[str | None, str, Place]]
) -> tuple[Node, list[Mistake]]:
    """The cameras of environment and command line laid over those of the file."""
    if not given:
        return tree, []
    below = tree.children().get("cameras") or Node({}, given[0][2], ("cameras",))
    if not isinstance(below.value, dict) and below.value is not None:
        return tree, []  # the checks say that this is no section
    cameras = dict(below.children())
    taken = {*cameras, *(name for name, _, _ in given if name)}
    seen: set[tuple[str, Place]] = set()
    mistakes = []
    for position, (own_name, url, place) in enumerate(given, start=1):
        free = (f"camera-{number}" for number in count(position))
        name = own_name or next(name for name in free if name not in taken)
        taken.add(name)
        camera = _section_of(Node(url, place, ("cameras", name)))
        if (name, place) in seen:
            mistakes.append(camera.mistake("is given twice; give each camera its own name"))
        seen.add((name, place))
        if old := cameras.get(name):
            kept = {key: node for key, node in old.children().items() if key not in ADDRESS}
            camera = replace(old, value={**kept, **camera.children()})
        cameras[name] = camera
    merged = replace(below, value=cameras)
    return replace(tree, value={**tree.children(), "cameras": merged}), mistakes
