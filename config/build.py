"""From one tree of text to `Settings`: checks every piece and collects the mistakes of all.

Knows what belongs together (a camera and the general values under it, a sink and its type's
options, a route and the cameras there are), not where the tree comes from.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, SecretStr, ValidationError

from config.explain import ENOUGH, explain, quoted, suggestion, unknown_keys
from config.files import UnfitFileError, expanded
from config.masking import register_url_secrets
from config.secrets import register_secret
from config.settings import CameraSettings, Section, Settings, SinkSettings
from config.tree import Key, Mistake, Node, merge
from config.urls import StreamUrl, with_credentials

Model = TypeVar("Model", bound=BaseModel)
Checked = TypeVar("Checked", CameraSettings, SinkSettings)

LOGIN = ("user", "password")
ADDRESS = ("url", *LOGIN)
"""The keys of a camera that say where it is and as whom to ask."""

_INHERITED = ("site", "station", "capture", "detection")
_SINK_KEYS = ("type", "route", "expiry_s", "cooldown_s", "confirm")
_LINES = {
    "cameras": "e.g. gate: rtsp://user:password@host/stream1",
    "sinks": "e.g. log: {type: log}",
}


class Builder:
    """Checks the tree piece by piece and collects the mistakes of all of them."""

    def __init__(self, sink_options: Mapping[str, type[BaseModel]]) -> None:
        self._sink_options = sink_options
        self._sites: set[str] = set()
        self.mistakes: list[Mistake] = []

    def settings(self, tree: Node) -> Settings:
        """The settings without what is wrong: those keys, cameras and sinks."""
        general = self._known(tree, list(Settings.model_fields))
        general = self._without(general, {"cameras", "sinks"})
        settings = self._check(Settings, general)
        if settings is None:
            wrong = {re.split(r"[.\[]", mistake.key)[0] for mistake in self.mistakes}
            settings = self._check(Settings, self._without(general, wrong)) or Settings()
        if url := settings.journal.url:
            register_secret(url.get_secret_value())
            register_url_secrets(url.get_secret_value())
        for account in settings.http.accounts.values():
            register_secret(account.password.get_secret_value())
        for token in settings.http.tokens.values():
            register_secret(token.sha256.get_secret_value())
        self._check_thresholds(tree.children().get("detection"))
        self._check_serve(tree, settings)
        cameras = self._each("cameras", tree, lambda node: self._camera(tree, node))
        sinks = self._each("sinks", tree, self._sink)
        self._check_routes(tree)
        return settings.model_copy(
            update={
                "cameras": cameras,
                "sinks": sinks,
            }
        )

    def _each(
        self, kind: str, tree: Node, check: Callable[[Node], Checked | None]
    ) -> list[Checked]:
        """What is right below `kind`; stops where there are mistakes `ENOUGH`."""
        right = []
        for node in self._entries(tree, kind):
            if len(self.mistakes) >= ENOUGH:
                break
            if checked := check(node):
                right.append(checked)
        return right

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
        allowed = [*(name for name in CameraSettings.model_fields if name != "name"), *LOGIN]
        merged = dict(self._known(node, allowed).children())
        for name in _INHERITED:
            if inherited := merge(general.get(name), merged.get(name)):
                merged[name] = inherited
        self._check_thresholds(merged.get("detection"))
        if url := self._url(merged):
            merged["url"] = url
        section = self._without(replace(node, value=merged), LOGIN)
        default = Settings.model_fields["site"].default
        site = merged["site"].value if "site" in merged else None
        self._sites.add(str(site or default))
        extra = {"name": node.key[-1]} | ({} if site is not None else {"site": default})
        return self._check(CameraSettings, section, extra)

    def _url(self, camera: Mapping[str, Node]) -> Node | None:
        """The address with `user:` and `password:` put in, and a file's path made absolute."""
        url, user, password = (camera.get(name) for name in ADDRESS)
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
        with suppress(ValueError):  # the check of the camera says what is wrong
            if StreamUrl.parse(url.value).kind == "file":
                return self._from_folder(replace(url, value=StreamUrl.parse(url.value).url))
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
        _register_secrets(checked)
        sink = self._check(
            SinkSettings,
            self._without(node, set(node.children()) - set(_SINK_KEYS)),
            {"name": node.key[-1], "options": checked or Section()},
        )
        return sink if checked is not None else None

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

    def _check_serve(self, tree: Node, settings: Settings) -> None:
        """A GPU box needs an address, and one that is named is meant to be asked."""
        engine, url = (tree.children().get(key) for key in ("engine", "serve_url"))
        if engine and settings.engine == "serve" and url is None:
            self.mistakes.append(
                engine.mistake("has no serve_url beside it; add one, e.g. http://gpu-1:8000")
            )
        elif url and settings.serve_url and settings.engine != "serve":
            self.mistakes.append(
                url.mistake("is asked by no other engine; write engine: serve, or take it out")
            )

    def _check_routes(self, tree: Node) -> None:
        """A route to a camera or site that is not there would be silent for ever.

        So it is with an account that is limited to them.
        """
        nothing = Node({}, tree.place)
        cameras = tree.children().get("cameras", nothing).children()
        sinks = tree.children().get("sinks", nothing).children().values()
        limited = [child for sink in sinks if (child := sink.children().get("route"))]
        http = tree.children().get("http", nothing).children()
        for group in ("accounts", "tokens"):
            limited += http.get(group, nothing).children().values()
        for section in limited:
            for name, what, known in (
                ("cameras", "camera", list(cameras)),
                ("sites", "site", sorted(self._sites)),
            ):
                route = section.children().get(name)
                if route is None or not isinstance(route.value, list):
                    continue
                for entry in route.value:
                    if len(self.mistakes) >= ENOUGH:
                        return
                    if isinstance(entry.value, str) and entry.value not in known:
                        got = f" (got {quoted(entry)})" if quoted(entry) else ""
                        self.mistakes.append(
                            entry.mistake(
                                f"is no {what} here{got}; {suggestion(entry.value, known)}"
                            )
                        )

    def _known(self, node: Node, allowed: Sequence[str]) -> Node:
        """`node` without the keys that are no settings; those are mistakes."""
        unknown = {name: child for name, child in node.children().items() if name not in allowed}
        self.mistakes += unknown_keys(list(unknown.values()), allowed)
        return self._without(node, unknown)

    @staticmethod
    def _without(node: Node, names: Collection[str]) -> Node:
        return replace(
            node, value={key: child for key, child in node.children().items() if key not in names}
        )

    def _check(
        self, model: type[Model], node: Node, extra: Mapping[str, object] | None = None
    ) -> Model | None:
        plain = self._with_absolute_paths(node, model).plain()
        assert isinstance(plain, dict)
        try:
            return model.model_validate({**plain, **(extra or {})})
        except ValidationError as error:
            self.mistakes += explain(error, node, model)
            return None

    def _with_absolute_paths(self, node: Node, model: type[BaseModel]) -> Node:
        """`node` with the paths that the file states starting from the file's folder."""
        children = dict(node.children())
        for name, field in model.model_fields.items():
            child = children.get(name)
            if child is None:
                continue
            kinds = set(_types(field.annotation))
            section = next((kind for kind in kinds if issubclass(kind, BaseModel)), None)
            if section is not None:
                if child.children():
                    children[name] = self._with_absolute_paths(child, section)
            elif any(issubclass(kind, Path) for kind in kinds):
                children[name] = self._from_folder(child)
        return replace(node, value=children)

    def _from_folder(self, node: Node) -> Node:
        if not isinstance(node.value, str):
            return node
        try:
            path = expanded(node.value)
        except UnfitFileError as error:
            self.mistakes.append(node.mistake(str(error)))
            return replace(node, value=None)
        return replace(node, value=str(node.place.folder / path if node.place.folder else path))


def _types(annotation: Any) -> Iterator[type]:
    """The classes in `Path`, `Path | None`, `Annotated[Path, …] | None`, `list[Path]`."""
    if isinstance(annotation, type):
        yield annotation
    for inner in get_args(annotation):
        yield from _types(inner)


def _register_secrets(value: object) -> None:
    """What a sink's options hold as SecretStr shows up in no log."""
    if isinstance(value, SecretStr):
        register_secret(value.get_secret_value())
        register_url_secrets(value.get_secret_value(), path=True)
    elif isinstance(value, BaseModel):
        for _, inner in value:
            _register_secrets(inner)
    elif isinstance(value, Mapping):
        for inner in value.values():
            _register_secrets(inner)


def named_options(tree: Node, sink_options: Mapping[str, type[BaseModel]]) -> set[Key]:
    """The keys of sinks' options below which names of the operator's stand, such as `headers`."""
    keys: set[Key] = set()
    sinks = tree.children().get("sinks")
    for sink in sinks.children().values() if sinks else ():
        kind = sink.children().get("type")
        options = sink_options.get(str(kind.value)) if kind else None
        for name, field in options.model_fields.items() if options else ():
            if get_origin(field.annotation) is dict:
                keys.add((*sink.key, name))
    return keys
