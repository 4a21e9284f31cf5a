"""Read the YAML file into a tree with line numbers; say what is wrong with it as YAML.

Knows nothing of settings. Never quotes a value: the broken one may be a password.
"""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from config.tree import Key, Mistake, Node, Place

_NULL = frozenset({"", "~", "null", "Null", "NULL"})

_UNREADABLE: dict[type[OSError], str] = {
    FileNotFoundError: "does not exist; check the path",
    IsADirectoryError: "is a folder; name the file in it",
    PermissionError: "may not be read by this user; check its owner and mode",
}

# What PyYAML says, and what an operator can do about it.
_PROBLEMS = (
    (r"character '\\t'", "is indented with a tab; use spaces"),
    (r"undefined alias", "has a value that begins with *; put it in quotes"),
    (r"character '(.)' that cannot start", "has a value that begins with {0}; put it in quotes"),
    (
        r"mapping values are not allowed",
        "is indented wrongly, or has a ': ' inside; line it up with its neighbours, or quote it",
    ),
    (
        r"expected <block end>",
        "is indented wrongly, or has text behind a closing quote; line it up with its neighbours",
    ),
    (r"could not find expected ':'", "has no ': ' between key and value; add it"),
    (r"end of stream|document separator", "opens a quote that is never closed; close it"),
    (
        r"expected ',' or",
        "opens a bracket that is never closed, or lacks a comma; close it, or quote the value",
    ),
    (r"another document", "begins a second document; remove the ---"),
    (r"unacceptable character|special characters", "holds a control character; remove it"),
)


def read_yaml(path: Path) -> tuple[Node, list[Mistake]]:
    """The file as a tree, and its mistakes as YAML. An empty file is an empty section."""
    top = Place(str(path), 1, path.parent)
    empty = Node({}, top)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        remedy = _UNREADABLE.get(type(error), f"cannot be read: {error.strerror}; check the disk")
        return empty, [Mistake(Place(str(path)), "", remedy)]
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        key = _key_near(error.object.decode("utf-8", "replace"), line)
        words = "is not UTF-8; save the file with that encoding"
        return empty, [Mistake(_at(top, line), key, words)]
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        return empty, [_explain(error, text, top)]
    reader = _Reader(top)
    tree = reader.node(root, 1, ()) if root is not None else empty
    if isinstance(tree.value, dict):
        return tree, reader.mistakes
    if tree.value is not None:
        words = "holds no settings; write lines such as cameras: and, further in, gate: rtsp://…"
        reader.mistakes.append(Mistake(top, "", words))
    return empty, reader.mistakes


class _Reader:
    """Turns PyYAML's nodes into ours and collects the mistakes on the way."""

    def __init__(self, top: Place) -> None:
        self._top = top
        self._open: list[yaml.Node] = []
        self.mistakes: list[Mistake] = []

    def node(self, node: yaml.Node, line: int, key: Key) -> Node:
        place = _at(self._top, line)
        if not node.tag.startswith("tag:yaml.org,2002:"):
            return self._wrong(Node(None, place, key), "has a value that begins with !; quote it")
        if any(node is outer for outer in self._open):
            return self._wrong(Node(None, place, key), "holds itself; remove the alias (*)")
        if isinstance(node, yaml.ScalarNode):
            return Node(None if _is_null(node) else node.value, place, key)
        self._open.append(node)
        try:
            if isinstance(node, yaml.SequenceNode):
                items = [
                    self.node(item, item.start_mark.line + 1, (*key, index))
                    for index, item in enumerate(node.value)
                ]
                return Node(items, place, key)
            return Node(self._entries(node, key), place, key)
        finally:
            self._open.pop()

    def _entries(self, node: yaml.Node, key: Key) -> dict[str, Node]:
        entries: dict[str, Node] = {}
        for name_node, value_node in node.value:
            line = name_node.start_mark.line + 1
            if not isinstance(name_node, yaml.ScalarNode):
                self._wrong(Node(None, _at(self._top, line), key), "has a key that is no word")
                continue
            name = name_node.value
            child = self.node(value_node, line, (*key, name))
            if name in entries:
                first = entries[name].place.line
                self._wrong(child, f"stands here twice (first in line {first}); remove one")
            else:
                entries[name] = child
        return entries

    def _wrong(self, node: Node, text: str) -> Node:
        self.mistakes.append(node.mistake(text))
        return node


def _is_null(node: yaml.ScalarNode) -> bool:
    return node.style is None and node.value in _NULL


def _at(top: Place, line: int) -> Place:
    return Place(top.source, line, top.folder)


def _explain(error: yaml.YAMLError, text: str, top: Place) -> Mistake:
    """What PyYAML found wrong, at the line where the operator has to look."""
    problem = str(getattr(error, "problem", None) or getattr(error, "reason", "") or "")
    mark = getattr(error, "problem_mark", None)
    words = "is no YAML; check indentation and quotes"
    for pattern, remedy in _PROBLEMS:
        if match := re.search(pattern, problem):
            words = remedy.format(*match.groups())
            break
    if "never closed" in words or "no ': '" in words:
        mark = getattr(error, "context_mark", None) or mark
    if mark is not None:
        line = mark.line + 1
    else:
        position = getattr(error, "position", 0)
        line = text[:position].count("\n") + 1
    return Mistake(_at(top, line), _key_near(text, line), words)


def _key_near(text: str, line: int) -> str:
    """The key in that line, or the last one before it."""
    for candidate in reversed(text.splitlines()[:line]):
        if match := re.match(r"\s*(?:- )?(\w[\w.-]*)\s*(?::\s|:?$)", candidate):
            return match[1]
    return ""
