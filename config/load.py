"""From YAML file, environment and command line to `Settings`, or to one line for each mistake.

What is stated later in this order wins: YAML, `JIKIMI_*` variables, command line.

Cameras add up: those of `JIKIMI_CAMERAS` and of the command line come on top of the file's.
One with a name that the file has already replaces that camera's address (url, user and
password together, so that a password never goes to another host) and keeps its other settings.
One without a name is called `camera-N` after its position in `JIKIMI_CAMERAS` and then the
command line, or the next number that is free.

Relative paths in the file start from the file's folder, elsewhere from the working directory.
Equal input gives equal `Settings`, so that a reload finds the cameras that did not change.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from config.environment import CAMERAS, environment_tree
from config.errors import ConfigError
from config.explain import closest_of, explain, quoted, unknown_key
from config.references import is_reference, referenced_variables, resolve
from config.secrets import scrub
from config.settings import CameraSettings, Settings, SinkSettings
from config.tree import Mistake, Node, Place, lay_over
from config.urls import StreamUrl, split_camera, split_cameras, with_credentials
from config.yaml_file import read_yaml

Model = TypeVar("Model", bound=BaseModel)

_LOGIN = ("user", "password")
_ADDRESS = ("url", *_LOGIN)
_INHERITED = ("site", "station", "capture", "detection")
_SINK_KEYS = ("type", "route", "expiry_s", "cooldown_s")
_LINES = {
    "cameras": "e.g. gate: rtsp://user:password@host/stream1",
    "sinks": "e.g. log: {type: log}",
}


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
    tree, mistakes = read_yaml(path) if path else (Node({}, Place("no file")), [])
    if mistakes and not tree.children():
        raise _error(mistakes)
    tree = _sections(tree)
    exempt = referenced_variables(tree)
    tree = lay_over(tree, _sections(environment_tree(environ, tree, exempt))) or tree
    given = [(*pair, Place(CAMERAS)) for pair in split_cameras(environ.get(CAMERAS, ""))]
    given += [(*split_camera(text), Place("command line")) for text in cameras]
    tree, found = _add_cameras(tree, given)
    mistakes += found
    tree, found = resolve(tree, environ)
    mistakes += found
    builder = _Builder(sink_options)
    settings = builder.settings(tree)
    mistakes += builder.mistakes
    if mistakes or settings is None:
        raise _error(mistakes)
    return settings


def _error(mistakes: Sequence[Mistake]) -> ConfigError:
    """One line a mistake, in the order of the file; the first one found at a place and key."""
    first: dict[tuple[Place, str], Mistake] = {}
    for mistake in mistakes:
        first.setdefault((mistake.place, mistake.key), mistake)
    ordered = sorted(first.values(), key=lambda m: (m.place.line is None, m.place.line or 0))
    return ConfigError("\n".join(scrub(str(mistake)) for mistake in ordered))


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
    named = {name for name, _, _ in given if name}
    seen: set[tuple[str, Place]] = set()
    mistakes = []
    for position, (own_name, url, place) in enumerate(given, start=1):
        free = (f"camera-{number}" for number in count(position))
        name = own_name or next(name for name in free if name not in {*cameras, *named})
        camera = _section_of(Node(url, place, ("cameras", name)))
        if (name, place) in seen:
            mistakes.append(camera.mistake("is given twice; give each camera its own name"))
        seen.add((name, place))
        if old := cameras.get(name):
            kept = {key: node for key, node in old.children().items() if key not in _ADDRESS}
            camera = replace(old, value={**kept, **camera.children()})
        cameras[name] = camera
    merged = replace(below, value=cameras)
    return replace(tree, value={**tree.children(), "cameras": merged}), mistakes


class _Builder:
    """Checks the tree piece by piece and collects the mistakes of all of them."""

    def __init__(self, sink_options: Mapping[str, type[BaseModel]]) -> None:
        self._sink_options = sink_options
        self.mistakes: list[Mistake] = []

    def settings(self, tree: Node) -> Settings | None:
        general = self._without(tree, {"cameras", "sinks"})
        settings = self._check(Settings, general)
        self._check_thresholds(tree.children().get("detection"))
        cameras = [self._camera(tree, node) for node in self._entries(tree, "cameras")]
        sinks = [self._sink(node) for node in self._entries(tree, "sinks")]
        sites = [camera.site for camera in cameras if camera is not None]
        self._check_routes(tree, sites)
        if self.mistakes or settings is None:
            return None
        return settings.model_copy(update={"cameras": cameras, "sinks": sinks})

    def _entries(self, tree: Node, kind: str) -> list[Node]:
        """The named sections below `kind`."""
        parent = tree.children().get(kind)
        if parent is None or parent.value is None:
            return []
        if not isinstance(parent.value, dict):
            self.mistakes.append(
                parent.mistake(f"must be a section; write one a line below it, {_LINES[kind]}")
            )
            return []
        entries = []
        for node in parent.value.values():
            if isinstance(node.value, dict):
                entries.append(node)
            else:
                self.mistakes.append(node.mistake(f"says nothing; write {_LINES[kind]}"))
        return entries

    def _camera(self, tree: Node, node: Node) -> CameraSettings | None:
        general = tree.children()
        allowed = [*(name for name in CameraSettings.model_fields if name != "name"), *_LOGIN]
        merged = dict(self._known(node, allowed).children())
        for name in _INHERITED:
            if inherited := lay_over(general.get(name), merged.get(name)):
                merged[name] = inherited
        self._check_thresholds(merged.get("detection"))
        if url := self._url(merged):
            merged["url"] = url
        section = self._without(replace(node, value=merged), _LOGIN)
        extra = {"name": node.key[-1]}
        if "site" not in merged:
            extra["site"] = Settings.model_fields["site"].default
        return self._check(CameraSettings, section, extra)

    def _url(self, camera: Mapping[str, Node]) -> Node | None:
        """The address with `user:` and `password:` put in, and a file's path made absolute."""
        url, user, password = (camera.get(name) for name in _ADDRESS)
        if url is None or not isinstance(url.value, str):
            return None
        login = user or password
        if login is not None and not (user and isinstance(user.value, str)):
            self.mistakes.append(login.mistake("has no user beside it; add user: …"))
        elif user and isinstance(user.value, str):
            secret = str(password.value) if password and password.value is not None else None
            try:
                text = with_credentials(url.value, user.value, secret)
            except ValueError as error:
                self.mistakes.append(url.mistake(str(error)))
            else:
                return replace(url, value=text)
        return url

    def _sink(self, node: Node) -> SinkSettings | None:
        kind = node.children().get("type")
        options = self._sink_options.get(str(kind.value)) if kind else None
        if kind is None or options is None:
            known = sorted(self._sink_options)
            if kind is None or kind.value is None:
                missing = kind or replace(node, key=(*node.key, "type"))
                self.mistakes.append(
                    missing.mistake(f"is missing; add type: and one of {', '.join(known)}")
                )
            else:
                got = f" (got {quoted(kind)})" if quoted(kind) else ""
                self.mistakes.append(
                    kind.mistake(f"is no type of sink{got}; known are {', '.join(known)}")
                )
            return None
        names = list(options.model_fields)
        if names or options.model_config.get("extra") == "forbid":
            node = self._known(node, [*_SINK_KEYS, *names])
        checked = self._check(options, self._without(node, _SINK_KEYS))
        return self._check(
            SinkSettings,
            self._without(node, set(node.children()) - set(_SINK_KEYS)),
            {"name": node.key[-1], "options": checked or BaseModel()},
        )

    def _check_thresholds(self, detection: Node | None) -> None:
        """An alarm that opens at or below where it closes would flap."""
        children = detection.children() if detection else {}
        opens, closes = children.get("open_threshold"), children.get("close_threshold")
        try:
            high, low = (float(str(node.value)) for node in (opens, closes) if node)
        except ValueError:
            return  # one of them is left out, or is no number, which the checks say
        if opens and closes and high <= low:
            at = max(opens, closes, key=lambda node: len(node.key))
            self.mistakes.append(
                at.mistake(
                    f"open_threshold {high:g} must be greater than close_threshold {low:g}; "
                    "raise the one or lower the other"
                )
            )

    def _check_routes(self, tree: Node, sites: Sequence[str]) -> None:
        """A route to a camera or site that is not there would be silent for ever."""
        cameras = tree.find(("cameras",)).children() if "cameras" in tree.children() else {}
        for sink in tree.find(("sinks",)).children().values() if "sinks" in tree.children() else ():
            for name, what, known in (
                ("cameras", "camera", list(cameras)),
                ("sites", "site", sorted(set(sites))),
            ):
                route = sink.find(("route", name))
                if route.key[-1] != name or not isinstance(route.value, list):
                    continue
                for entry in route.value:
                    if isinstance(entry.value, str) and entry.value not in known:
                        got = f" (got {quoted(entry)})" if quoted(entry) else ""
                        self.mistakes.append(
                            entry.mistake(
                                f"is no {what} here{got}; {closest_of(entry.value, known)}"
                            )
                        )

    def _known(self, node: Node, allowed: Sequence[str]) -> Node:
        """`node` without the keys that are no settings; those are mistakes."""
        unknown = [name for name in node.children() if name not in allowed]
        self.mistakes += [unknown_key(node.children()[name], allowed) for name in unknown]
        return self._without(node, unknown)

    @staticmethod
    def _without(node: Node, names: Collection[str]) -> Node:
        return replace(
            node, value={key: child for key, child in node.children().items() if key not in names}
        )

    def _check(
        self, model: type[Model], node: Node, extra: Mapping[str, object] | None = None
    ) -> Model | None:
        plain = node.plain()
        assert isinstance(plain, dict)
        try:
            checked = model.model_validate({**plain, **(extra or {})})
        except ValidationError as error:
            self.mistakes += explain(error, node, model)
            return None
        return checked.model_copy(update=dict(_anchored(checked, node)))


def _anchored(model: BaseModel, node: Node) -> Iterator[tuple[str, Path | StreamUrl]]:
    """The paths in `model` that the file states, from the file's folder on."""
    for name, value in model:
        folder = node.find((name,)).place.folder
        if name not in node.children() or folder is None:
            continue
        if isinstance(value, Path):
            yield name, folder / value.expanduser()
        elif isinstance(value, StreamUrl) and value.kind == "file":
            yield name, StreamUrl.parse(str((folder / Path(value.url).expanduser()).absolute()))
