"""Read the YAML file into a tree with line numbers; say what is wrong with it as YAML.

Knows nothing of settings. Never quotes a value: the broken one may be a password. The tree is
built from the parser's events, so that aliases and nesting cost no more than a file may.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from config.files import YAML_BYTES, UnfitFileError, read_file
from config.tree import Key, Mistake, Node, Place, unfit_character

MAX_DEPTH = 20
"""Settings are at most nine deep: cameras, name, detection, watch, polygon, corner, x."""

MAX_VALUES = 20_000
"""Keys and values, with what aliases (*) repeat; 200 cameras with a polygon each are 9,000."""

_NULL = frozenset({"", "~", "null", "Null", "NULL"})

_TAGS = frozenset(
    f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "seq", "map")
)
"""Those that say what is known anyway."""

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's, 25 times as fast, where PyYAML was built with it."""

_UNREADABLE: dict[type[OSError], str] = {
    FileNotFoundError: "does not exist; check the path",
    IsADirectoryError: "is a folder; name the file in it",
    PermissionError: "may not be read by this user; check its owner and mode",
}

# What libyaml or PyYAML says, and what an operator can do about it; {0}: the character there.
_PROBLEMS = (
    (r"tab character|character '\\t'", "is indented with a tab; use spaces"),
    (r"undefined alias", "has a value that begins with *; put it in quotes"),
    (r"cannot start any token", "has a value that begins with {0}; put it in quotes"),
    (
        r"mapping values are not allowed",
        "is indented wrongly, or has a ': ' inside; line it up with its neighbours, or quote it",
    ),
    (
        r"expected <block end>|expected key|expected '-'",
        "is indented wrongly, or has text behind a closing quote; line it up with its neighbours",
    ),
    (r"could not find expected ':'", "has no ': ' between key and value; add it"),
    (r"another document", "begins a second document; remove the ---"),
    (r"end of stream|document separator", "opens a quote that is never closed; close it"),
    (
        r"expected ',' or",
        "opens a bracket that is never closed, or lacks a comma; close it, or quote the value",
    ),
    (
        r"unacceptable character|(special|control) characters|Unicode character",
        "holds a control character; remove it",
    ),
    (r"unknown escape", 'has a \\ inside "…"; write it twice, or use single quotes'),
)


class TooMuchError(Exception):
    """Nested or repeated beyond all settings."""

    def __init__(self, text: str, line: int) -> None:
        super().__init__(text)
        self.line = line


def read_yaml(path: Path) -> tuple[Node, list[Mistake]]:
    """The file as a tree, and its mistakes as YAML. An empty file is an empty section."""
    top = Place(str(path), 1, path.parent)
    empty = Node({}, top)
    text = _text(path, top)
    if isinstance(text, Mistake):
        return empty, [text]
    try:
        tree, mistakes = parse_yaml(text, top, ())
    except yaml.YAMLError as error:
        return empty, [_explain(error, text, top)]
    except TooMuchError as error:
        return empty, [Mistake(_at(top, error.line), _key_near(text, error.line), str(error))]
    if tree is None or isinstance(tree.value, dict):
        return tree or empty, mistakes
    if tree.value is not None:
        words = "holds no settings; write lines such as cameras: and, further in, gate: rtsp://…"
        mistakes.append(Mistake(top, "", words))
    return empty, mistakes


def _text(path: Path, top: Place) -> str | Mistake:
    try:
        return read_file(path, YAML_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        key = _key_near(error.object.decode("utf-8", "replace"), line)
        return Mistake(_at(top, line), key, "is not UTF-8; save the file with that encoding")
    except UnfitFileError as error:
        return Mistake(Place(str(path)), "", str(error))
    except OSError as error:
        remedy = _UNREADABLE.get(type(error), f"cannot be read: {error.strerror}; check the disk")
        return Mistake(Place(str(path)), "", remedy)


def parse_yaml(text: str, top: Place, key: Key) -> tuple[Node | None, list[Mistake]]:
    """The tree that stands in `text` below `key`, and what in it is no plain YAML.

    Values have their line where `top` has one. Raises YAMLError or TooMuchError.
    """
    reader = _Reader(yaml.parse(text, Loader=_LOADER), top)
    return reader.document(key), reader.mistakes


class _Reader:
    """Turns the parser's events into our tree and collects the mistakes on the way."""

    def __init__(self, events: Iterator[Any], top: Place) -> None:
        self._events = events
        self._top = top
        self._anchors: dict[str, Node | None] = {}
        self._depth = 0
        self._values = 0
        self.mistakes: list[Mistake] = []

    def document(self, key: Key) -> Node | None:
        tree = None
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                if tree is not None:
                    raise _composer_error("found another document", event)
                tree = self._node(next(self._events), 1, key)
        return tree

    def _node(self, event: Any, line: int, key: Key) -> Node:
        """The value that begins with `event`; the events up to its end are used up."""
        self._count(1, event)
        place = _at(self._top, line)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, place, key)
        if event.anchor is not None:
            self._anchors[event.anchor] = None  # not yet whole
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise TooMuchError("is nested too deeply; write it as in the examples", _line(event))
        value: str | dict[str, Node] | list[Node] | None
        if isinstance(event, yaml.ScalarEvent):
            value = None if _is_null(event) else event.value
        elif isinstance(event, yaml.SequenceStartEvent):
            value = self._items(key)
        else:
            value = self._entries(key)
        self._depth -= 1
        node = Node(value, place, key)
        if event.tag not in {None, "!"} and event.tag not in _TAGS:
            node = self._wrong(Node(None, place, key), "has a value that begins with !; quote it")
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _alias(self, event: Any, place: Place, key: Key) -> Node:
        if event.anchor not in self._anchors:
            raise _composer_error("found undefined alias", event)
        meant = self._anchors[event.anchor]
        if meant is None:
            return self._wrong(Node(None, place, key), "holds itself; remove the alias (*)")
        return replace(self._repeated(meant, key, event), place=place)

    def _repeated(self, node: Node, key: Key, event: Any) -> Node:
        """`node` as it stands at `key`."""
        self._count(1, event)
        value = node.value
        if isinstance(value, dict):
            value = {
                name: self._repeated(child, (*key, name), event) for name, child in value.items()
            }
        elif isinstance(value, list):
            value = [
                self._repeated(child, (*key, index), event) for index, child in enumerate(value)
            ]
        return Node(value, node.place, key)

    def _items(self, key: Key) -> list[Node]:
        items: list[Node] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            items.append(self._node(event, _line(event), (*key, len(items))))
        return items

    def _entries(self, key: Key) -> dict[str, Node]:
        entries: dict[str, Node] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            line = _line(event)
            here = Node(None, _at(self._top, line), key)
            name = self._node(event, line, key).value
            if isinstance(event, yaml.ScalarEvent):
                name = event.value  # null and ~ are names, too
            if not isinstance(name, str) or unfit_character(name):
                self._wrong(here, "has a key that is no word; write a name")
                name = ""
            child = self._node(next(self._events), line, (*key, name) if name else key)
            if name == "<<":
                self._wrong(child, "merges another section, which is not read; write the keys out")
            elif name in entries:
                first = entries[name].place.line
                self._wrong(child, f"stands here twice (first in line {first}); remove one")
            elif name:
                entries[name] = child
        return entries

    def _count(self, values: int, event: Any) -> None:
        self._values += values
        if self._values > MAX_VALUES:
            raise TooMuchError(
                f"goes beyond {MAX_VALUES} keys and values, with those that aliases (*) repeat; "
                "remove what is no setting",
                _line(event),
            )

    def _wrong(self, node: Node, text: str) -> Node:
        self.mistakes.append(node.mistake(text))
        return node


def _composer_error(problem: str, event: Any) -> yaml.YAMLError:
    return yaml.composer.ComposerError(None, None, problem, event.start_mark)


def _is_null(event: Any) -> bool:
    return not event.style and event.value in _NULL


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _at(top: Place, line: int) -> Place:
    return top if top.line is None else Place(top.source, line, top.folder)


def _explain(error: yaml.YAMLError, text: str, top: Place) -> Mistake:
    """What the parser found wrong, at the line where the operator has to look."""
    problem = str(getattr(error, "problem", None) or getattr(error, "reason", "") or "")
    mark: Any = getattr(error, "problem_mark", None)
    there = _character(text, mark) if mark is not None else ""
    if "cannot start any token" in problem:
        problem += f" character {there!r}"
    words = "is no YAML; check indentation and quotes"
    for pattern, remedy in _PROBLEMS:
        if re.search(pattern, problem):
            words = remedy.format(there)
            break
    if "never closed" in words or "no ': '" in words:
        mark = getattr(error, "context_mark", None) or mark
    if mark is not None:
        line = mark.line + 1
    else:
        line = text[: getattr(error, "position", 0)].count("\n") + 1
    return Mistake(_at(top, line), _key_near(text, line), words)


def _character(text: str, mark: Any) -> str:
    """What stands where the parser stopped."""
    lines = text.split("\n")
    line = lines[mark.line] if mark.line < len(lines) else ""
    return line[mark.column : mark.column + 1]


def _key_near(text: str, line: int) -> str:
    """The key in that line, or the last one before it."""
    for candidate in reversed(text.splitlines()[:line]):
        if match := re.match(r"\s*(?:- )?(\w[\w.-]*)\s*(?::\s|:?$)", candidate):
            return match[1]
    return ""
