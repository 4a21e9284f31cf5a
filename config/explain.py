"""What pydantic found wrong, in the operator's text: what, got what, and what to write instead.

Values are quoted only where they cannot hold a secret.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from config.environment import PREFIX, variable_name, variable_names
from config.references import is_secret_key
from config.settings import Settings
from config.tree import Mistake, Node

_QUOTED = re.compile(r"[A-Za-z][A-Za-z ,._-]{,39}|[-+.:/\d]{,12}(e[-+]?\d{,4})?", re.ASCII)
"""A few plain words, or a short number: what mixes letters and digits may be a password."""

_FEW = 5
"""So many keys of one section that are no settings are told one by one."""

ENOUGH = 100
"""Mistakes after which nothing more is checked: of 20,000 nobody reads the rest."""

_BOUNDS = {
    "greater_than": ("greater than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("less than", "lt"),
    "less_than_equal": ("at most", "le"),
}
_UNITS = {
    "_s": "seconds",
    "_threshold": "a probability from 0 to 1",
    "_score": "a probability from 0 to 1",
    "latitude": "degrees from -90 (south) to 90 (north)",
    "longitude": "degrees from -180 (west) to 180 (east)",
    "port": "a port number",
}
"""The unit of a number whose name is or ends so."""

_NAME_RULE = (
    "must be letters, digits, _ - or ., beginning with a letter, digit or _, at most 63 in all"
)

_POLYGONS = ("watch", "ignore")
_CORNERS = (
    "corners are [x, y] relative to the picture, 0,0 top left and 1,1 bottom right, "
    "e.g. [[0, 0.5], [1, 0.5], [1, 1]]"
)
_INTEGER = ("must be a whole number", "")
_NUMBER = ("must be a number", "")
_BOOLEAN = ("must be true or false", "write one of these")
_TIME = ("must be a time of day", 'write e.g. "22:00-06:00"')
_TEXT = ("must be a text", "write one value, in quotes if it has special characters")
_LIST = ("must be a list", "write [a, b], or one a line behind a dash")
_SECTION = ("must be a section with keys of its own", "put them below it, further in")
# By pydantic's type of error: the message, and the remedy ("": the field's example).
_MESSAGES = {
    "int_parsing": _INTEGER,
    "int_parsing_size": _INTEGER,
    "int_type": _INTEGER,
    "int_from_float": _INTEGER,
    "float_parsing": _NUMBER,
    "float_type": _NUMBER,
    "finite_number": _NUMBER,
    "bool_parsing": _BOOLEAN,
    "bool_type": _BOOLEAN,
    "time_parsing": _TIME,
    "time_type": _TIME,
    "string_type": _TEXT,
    "path_type": _TEXT,
    "path_not_file": ("is no file that is there", "correct the path"),
    "path_not_directory": ("is no folder that is there", "correct the path"),
    "list_type": _LIST,
    "tuple_type": _LIST,
    "model_type": _SECTION,
    "dict_type": _SECTION,
    "string_too_short": ("is too short", "write at least {min_length} character(s)"),
    "string_pattern_mismatch": (_NAME_RULE, "write e.g. north-gate"),
    "too_short": ("must have at least {min_length} entries", "add some"),
    "too_long": ("must have at most {max_length} entries", "remove some"),
    "literal_error": ("must be {expected}", "write one of these"),
    "enum": ("must be {expected}", "write one of these"),
}


def explain(error: ValidationError, node: Node, model: type[BaseModel]) -> list[Mistake]:
    """One mistake for each thing that `model` found wrong with what stands in `node`."""
    unknown: dict[tuple[int | str, ...], list[Node]] = {}
    mistakes: list[Mistake] = []
    for details in error.errors(include_url=False):
        if details["type"] == "extra_forbidden":
            unknown.setdefault(details["loc"][:-1], []).append(node.find(details["loc"]))
        elif len(mistakes) < ENOUGH:
            mistakes.append(_explain(details, node, model))
    for loc, nodes in unknown.items():
        mistakes += unknown_keys(nodes, _fields(model, loc))
    return mistakes


def _explain(details: ErrorDetails, node: Node, model: type[BaseModel]) -> Mistake:
    loc = details["loc"]
    at = node.find(loc)
    kind = details["type"]
    if kind == "missing":
        parent = node.find(loc[:-1])
        name = str(loc[-1])
        at = parent.children().get(name) or replace(parent, key=(*parent.key, name))
        return at.mistake(f"is missing; add {name}: …{_example(model, loc)}")
    if kind == "string_pattern_mismatch" and loc == ("name",):
        return at.mistake(f"is no name that can be used; a name {_NAME_RULE}")
    text, remedy = _text_and_remedy(details, model)
    return at.mistake(f"{text}{_got(at)}; {remedy}" if remedy else text)


def unknown_keys(nodes: Sequence[Node], known: Iterable[str]) -> list[Mistake]:
    """The keys of one section that are no settings: each, or of many the first."""
    if len(nodes) <= _FEW:
        return [_unknown_key(node, known) for node in nodes]
    first = _unknown_key(nodes[0], known)
    return [replace(first, text=f"{first.text} ({len(nodes) - 1} more here are none, either)")]


def _unknown_key(node: Node, known: Iterable[str]) -> Mistake:
    """There is no such setting; names the closest one, or all."""
    name, known = str(node.key[-1]), sorted(known)
    if (variable := node.place.source).startswith(PREFIX):
        siblings = [variable_name((*node.key[:-1], key)) for key in known]
        closest = get_close_matches(variable, [*variable_names(Settings), *siblings], n=1)
        return node.mistake(
            f"is no setting; did you mean {closest[0]}?"
            if closest
            else "is no setting; remove it, or write e.g. JIKIMI_HTTP__PORT for http.port"
        )
    closest = get_close_matches(name, known, n=1)
    return node.mistake(
        f"is no setting; did you mean {closest[0]}?"
        if closest
        else f"is no setting; known are {', '.join(known)}"
    )


def suggestion(name: str, known: Sequence[str]) -> str:
    """`did you mean gate?`, or the list of what there is."""
    if closest := get_close_matches(name, known, n=1):
        return f"did you mean {closest[0]}?"
    return f"there are {', '.join(known)}" if known else "there are none"


def quoted(node: Node) -> str:
    """The value for an error message, or nothing where it may hold a secret."""
    text = node.value
    if not isinstance(text, str) or any(is_secret_key(part) or part == "url" for part in node.key):
        return ""
    return text if _QUOTED.fullmatch(text) else ""


def _got(node: Node) -> str:
    text = quoted(node)
    return f" (got {text})" if text else ""


def _text_and_remedy(details: ErrorDetails, model: type[BaseModel]) -> tuple[str, str]:
    """What is wrong, and the remedy."""
    kind, loc, context = details["type"], details["loc"], details.get("ctx", {})
    if kind == "value_error":
        text, _, remedy = str(context["error"]).partition("; ")
        return text, remedy
    if kind in _BOUNDS:
        word, bound = _BOUNDS[kind]
        text, remedy = f"must be {word} {context[bound]:g}", ""
    else:
        text, remedy = details["msg"][:1].lower() + details["msg"][1:], ""
        if kind in _MESSAGES:
            text, remedy = (text.format(**context) for text in _MESSAGES[kind])
    name = next((part for part in reversed(loc) if isinstance(part, str)), "")
    if kind == "model_type":
        return text, f"put below it, further in: {', '.join(_fields(model, loc))}"
    if name in _POLYGONS:
        return text, _CORNERS
    if kind == "literal_error":
        choices = re.findall(r"'([^']*)'", text)
        closest = get_close_matches(str(details["input"]), choices, n=1)
        return text, f"did you mean {closest[0]}?" if closest else remedy
    for suffix, unit in _UNITS.items():
        if name.endswith(suffix):
            return text, f"give {unit}{_example(model, loc)}"
    return text, remedy or f"correct it{_example(model, loc)}"


def _example(model: type[BaseModel], loc: tuple[int | str, ...]) -> str:
    """`, e.g. 5`: the default, if the field has one that says something."""
    field = _field(model, loc)
    if field is None or isinstance(field.default, bool):
        return ""
    if isinstance(field.default, int | float):
        return f", e.g. {field.default:g}"
    return f", e.g. {field.examples[0]}" if field.examples else ""


def _field(model: type[BaseModel], loc: tuple[int | str, ...]) -> FieldInfo | None:
    owner: Any = model
    field = None
    for part in loc:
        if not (isinstance(owner, type) and issubclass(owner, BaseModel)):
            return None
        field = owner.model_fields.get(str(part))
        if field is None:
            return None
        owner = _section(field.annotation)
    return field


def _fields(model: type[BaseModel], loc: tuple[int | str, ...]) -> list[str]:
    """The keys that may stand in the section at `loc`."""
    if not loc:
        return list(model.model_fields)
    field = _field(model, loc)
    section = _section(field.annotation) if field is not None else None
    return list(section.model_fields) if section is not None else []


def _section(annotation: Any) -> type[BaseModel] | None:
    """The model in `Model` or `Model | None`."""
    for candidate in (annotation, *getattr(annotation, "__args__", ())):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None
