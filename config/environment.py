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
from config.tree import Key, Mistake, Node, Place, merge
from config.yaml_file import MAX_DEPTH, TooMuchError, parse_yaml

PREFIX = "JIKIMI_"
CAMERAS = "JIKIMI_CAMERAS"
ONVIF_PASSWORD = "JIKIMI_ONVIF_PASSWORD"  # noqa: S105 - a name
"""For `jikimi discover`, and no setting: it may be set where the daemon runs, too."""

_SHOWN = 40
_LONGEST = 200
"""Of a variable's name: longer than that of any setting, with the longest of camera names."""

# Kubernetes puts these into every pod beside a Service that is called jikimi.
_SERVICE_LINK = re.compile(r"_SERVICE_(HOST|PORT)(_|$)|_PORT_\d+_(TCP|UDP)(_|$)")


def environment_tree(
    environ: Mapping[str, str], below: Node, exempt: Collection[str]
) -> tuple[Node, list[Mistake]]:
    """All settings in `environ`, and its mistakes; variables in `exempt` are none.

    `below` is the file's tree: it has the cameras' and sinks' names (`police-station` is
    `POLICE_STATION`).
    """
    tree: dict[str, Node] = {}
    mistakes: list[Mistake] = []
    for variable, text in sorted(environ.items()):
        if not variable.startswith(PREFIX) or variable in {CAMERAS, ONVIF_PASSWORD, *exempt}:
            continue
        if text and not _is_service_link(variable, text):
            shown = variable if len(variable) <= _LONGEST else f"{variable[:_SHOWN]}…"
            place = Place(shown)
            key = _key(variable, below)
            if len(key) > MAX_DEPTH:
                words = "is no setting; write e.g. JIKIMI_HTTP__PORT for http.port"
                mistakes.append(Mistake(place, "", words))
                continue
            node, found = _value(text, place, key)
            mistakes += found
            _put(tree, node)
    return Node(tree, Place("environment")), mistakes


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


def _key(variable: str, below: Node) -> Key:
    """The key that `variable` sets, with the names as they stand in the file."""
    key: Key = ()
    for part in variable.removeprefix(PREFIX).split("__"):
        known = {_normal(name): name for name in below.find(key).children()}
        key = (*key, known.get(part.upper(), part.lower()))
    return key


def _put(tree: dict[str, Node], node: Node) -> None:
    """Lay `node` over what `tree` has at its key."""
    for depth, part in enumerate(node.key[:-1], start=1):
        outer = tree.get(str(part))
        if outer is None or not isinstance(outer.value, dict):
            outer = tree[str(part)] = Node({}, node.place, node.key[:depth])
        assert isinstance(outer.value, dict)
        tree = outer.value
    name = str(node.key[-1])
    tree[name] = merge(tree.get(name), node) or node


def _value(text: str, place: Place, key: Key) -> tuple[Node, list[Mistake]]:
    """Lists and references are written as in YAML's short form; the rest is text."""
    node = Node(text, place, key)
    if text[0] in "[{":
        try:
            short, mistakes = parse_yaml(text, place, key)
        except yaml.YAMLError:
            return node, []
        except TooMuchError as error:
            return Node(None, place, key), [node.mistake(str(error))]
        if short and (is_reference(short) or not is_secret_key(key[-1])):
            return short, mistakes
    return node, []


def _normal(name: str) -> str:
    return re.sub(r"[.-]", "_", name).upper()


def _is_service_link(variable: str, text: str) -> bool:
    return _SERVICE_LINK.search(variable) is not None or (
        variable.endswith("_PORT") and text.startswith(("tcp://", "udp://"))
    )
