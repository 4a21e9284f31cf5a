"""`JIKIMI_*` variables as a tree: `JIKIMI_HTTP__PORT` is `http.port`.

`JIKIMI_CAMERAS` is a list and read by `config.load`. An empty variable counts as not set: that
is how containers pass on one that was not given.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

import yaml
from pydantic import BaseModel

from config.references import is_reference, is_secret_key
from config.tree import Key, Node, Place, merge

PREFIX = "JIKIMI_"
CAMERAS = "JIKIMI_CAMERAS"

# Kubernetes puts these into every pod beside a Service that is called jikimi.
_SERVICE_LINK = re.compile(r"_SERVICE_(HOST|PORT)(_|$)|_PORT_\d+_(TCP|UDP)(_|$)")


def environment_tree(environ: Mapping[str, str], below: Node, exempt: Collection[str]) -> Node:
    """All settings in `environ`; variables in `exempt` are none.

    `below` is the file's tree: it has the cameras' and sinks' names (`police-station` is
    `POLICE_STATION`).
    """
    tree = Node({}, Place("environment"))
    for variable, text in sorted(environ.items()):
        if not variable.startswith(PREFIX) or variable == CAMERAS or variable in exempt:
            continue
        if text and not _is_service_link(variable, text):
            entry = _entry(variable, text, below)
            tree = merge(tree, entry) or tree
    return tree


def variable_name(key: Key) -> str:
    """The variable that sets `key`."""
    return PREFIX + "__".join(_normal(str(part)) for part in key)


def variable_names(model: type[BaseModel], key: Key = ()) -> list[str]:
    """All variables that settings of `model` can come from."""
    names = []
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            names += variable_names(inner, (*key, name))
        else:
            names.append(variable_name((*key, name)))
    return names


def _entry(variable: str, text: str, below: Node) -> Node:
    key: Key = ()
    for part in variable.removeprefix(PREFIX).split("__"):
        known = {_normal(name): name for name in below.find(key).children()}
        key = (*key, known.get(part.upper(), part.lower()))
    place = Place(variable)
    node = _value(text, place, key)
    for depth in range(len(key) - 1, -1, -1):
        node = Node({str(key[depth]): node}, place, key[:depth])
    return node


def _value(text: str, place: Place, key: Key) -> Node:
    """Lists and references are written as in YAML's short form; the rest is text."""
    node = Node(text, place, key)
    if text[0] in "[{":
        try:
            parsed = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - knows only text, lists and mappings
        except yaml.YAMLError:
            return node
        short = _from_plain(parsed, place, key)
        if is_reference(short) or not is_secret_key(key[-1]):
            return short
    return node


def _from_plain(value: object, place: Place, key: Key) -> Node:
    if isinstance(value, dict):
        return Node(
            {str(k): _from_plain(v, place, (*key, str(k))) for k, v in value.items()}, place, key
        )
    if isinstance(value, list):
        return Node([_from_plain(v, place, (*key, i)) for i, v in enumerate(value)], place, key)
    return Node(str(value), place, key)


def _normal(name: str) -> str:
    return re.sub(r"[.-]", "_", name).upper()


def _is_service_link(variable: str, text: str) -> bool:
    return _SERVICE_LINK.search(variable) is not None or (
        variable.endswith("_PORT") and text.startswith(("tcp://", "udp://"))
    )
