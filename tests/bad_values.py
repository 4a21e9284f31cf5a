"""Wrong values for every key that there is, by the type that its model states."""

from __future__ import annotations

import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel, FilePath, SecretStr
from pydantic.fields import FieldInfo

from config.settings import CameraSettings, Hours, Settings, SinkSettings
from config.urls import StreamUrl

Key = tuple[str, ...]
Document = dict[str, Any]

WHOLE = ["many", "1.5", "yes", "true", "1e3", ".nan", "0x50", "''", "2024-01-01", "9" * 5000]
NUMBERS = ["many", "10 s", "true", "nan", "inf", "-inf", ".nan", "1e999", "''", "2024-01-01", "1,5"]
SHAPES = ["[1, 2]", "{a: b}"]
TEXTS = ["[a, b]", "{a: b}", '"a\\0b"', '"\\ud800"', '"\\x1b[2J"', "!!binary aGk=", "!x y"]
NAMES = ["a b", "'/'", "a/b", "a#b", "'+'", "-x", "''", "'a\n\n  b'", "x" * 64, "rtsp://u:p@h/"]
SECRETS = [
    "{file: /dev/zero}",
    "{file: /}",
    "{file: absent}",
    "{file: ~nouser/x}",
    '{file: "a\\0b"}',
    "{file: [x]}",
    "{file: {file: x}}",
    "{env: NOT_SET_ANYWHERE}",
    "{env: a b}",
    "{credential: absent}",
]
URLS = [
    "rtsp://",
    "rtsp:///s",
    "rtps://h/s",
    "rtsp:/h/s",
    "onvif://h/s",
    "rtsp://h:0/s",
    "rtsp://h:65536/s",
    "rtsp://h:" + "9" * 5000 + "/s",
    "rtsp://256.1.1.1/s",
    "rtsp://" + "h" * 64 + "/s",
    "rtsp://a..b/s",
    "rtsp://[::1/s",
    "rtsp://[192.0.2.1]/s",
    "'rtsp://h/a\n\n  b'",
    "192.0.2.1",
    "u:p@h/s",
    "device://x",
    "pattern://x",
    "file://server/x.mp4",
    "''",
]

REQUIRED: dict[str, Document] = {
    "exec": {"command": "[deliver, --now]"},
    "floodlight": {"pin": "17"},
    "log": {},
    "mqtt": {"host": "192.0.2.2"},
    "notify": {"url": "ntfy://192.0.2.4/topic"},
    "recording": {"path": "alerts.jsonl"},
    "siren": {"command": "[play, siren.wav]"},
    "syslog": {"host": "192.0.2.4"},
    "webhook": {"url": "https://192.0.2.3/hook"},
}
"""What a sink of each type must have."""


def wrong_documents(sink_options: dict[str, type[BaseModel]]) -> Iterator[tuple[Key, Document]]:
    """A document for each key and each of its wrong values, with that key; all else is right."""
    for key, field in _fields(Settings, ("cameras", "sinks")):
        for value in _wrong(field):
            yield key, _document(key, value, "log")
    for key, field in _fields(CameraSettings, ("name",)):
        for value in _wrong(field):
            yield ("cameras", "gate", *key), _document(("cameras", "gate", *key), value, "log")
    for kind, options in sink_options.items():
        for key, field in [*_shared(kind, ("name", "type", "options")), *_fields(options, ())]:
            for value in _wrong(field):
                yield ("sinks", "it", *key), _document(("sinks", "it", *key), value, kind)


def stated_everywhere(
    sink_options: dict[str, type[BaseModel]], value: str
) -> Iterator[tuple[Key, set[Any], Document]]:
    """A document for each key that there is, with `value` there; the key, and its types."""
    for key, field in _fields(Settings, ("cameras", "sinks")):
        yield key, set(_kinds(field.annotation)), _document(key, value, "log")
    for part, field in _fields(CameraSettings, ("name",)):
        key = ("cameras", "gate", *part)
        yield key, set(_kinds(field.annotation)), _document(key, value, "log")
    for name in ("user", "password"):
        document = _document(("cameras", "gate", name), value, "log")
        document["cameras"]["gate"].setdefault("user", "viewer")
        yield ("cameras", "gate", name), {SecretStr}, document
    for kind, options in sink_options.items():
        for part, field in [*_shared(kind, ("name", "options")), *_fields(options, ())]:
            key = ("sinks", "it", *part)
            yield key, set(_kinds(field.annotation)), _document(key, value, kind)


def written(document: Document, indent: int = 0) -> str:
    """As YAML; texts stand as they are."""
    lines = ""
    for name, value in document.items():
        start = f"{' ' * indent}{name}:"
        lines += (
            f"{start}\n{written(value, indent + 2)}"
            if isinstance(value, dict)
            else f"{start} {value}\n"
        )
    return lines


def _document(key: Key, value: str, kind: str) -> Document:
    document: Document = {
        "cameras": {"gate": {"url": "rtsp://192.0.2.1/s"}},
        "sinks": {"it": {"type": kind, **REQUIRED[kind]}},
    }
    at = document
    for part in key[:-1]:
        at = at.setdefault(part, {})
    at[key[-1]] = value
    return document


def _fields(model: type[BaseModel], without: Key) -> Iterator[tuple[Key, FieldInfo]]:
    for name, field in model.model_fields.items():
        if name in without:
            continue
        yield (name,), field
        section = next((kind for kind in _kinds(field.annotation) if _is_section(kind)), None)
        if section is not None:
            for key, inner in _fields(section, ()):
                yield (name, *key), inner


def _shared(kind: str, without: Key) -> Iterator[tuple[Key, FieldInfo]]:
    """The keys that sinks of all types have are the same for each: they are tried with one."""
    if kind == "log":
        yield from _fields(SinkSettings, without)


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel) and kind is not Hours


def _wrong(field: FieldInfo) -> list[str]:
    kinds = list(_kinds(field.annotation))
    bounds = [*field.metadata, *(more for kind in kinds for more in getattr(kind, "metadata", ()))]
    values: list[str] = []
    for kind in kinds:
        values = [*values, *_of_kind(kind)] if not values else _both(values, _of_kind(kind))
    if int in kinds or float in kinds:
        values += [value for bound in bounds for value in _beyond(bound)]
    if any(getattr(bound, "pattern", None) for bound in bounds):
        values += NAMES
    return list(dict.fromkeys(values))


def _both(one: list[str], other: list[str]) -> list[str]:
    """What is wrong for `int | str` is wrong for either."""
    return [value for value in one if value in other]


BY_KIND: dict[Any, list[str]] = {
    bool: ["maybe", "2", "''", *SHAPES],
    int: WHOLE + SHAPES,
    float: NUMBERS + SHAPES,
    str: TEXTS + SECRETS,
    SecretStr: TEXTS + SECRETS,
    StreamUrl: URLS + TEXTS,
    Path: [*TEXTS, "~nouser/x", "''", "{file: /dev/zero}"],
    Hours: ["22-6", "25:00-06:00", "22:00", "night", "[22:00]", "{start: 22:00}", "22:00-"],
    Literal: ["nonsense", "''", *SHAPES, '"\\0"'],
    list: ["text", "1", "{a: b}", '"\\ud800"'],
    dict: ["text", "1", "[a]", '"\\ud800"'],
    BaseModel: ["text", "[a]", "{no_such_key: 1}", "{<<: {a: b}}"],
}


def _of_kind(kind: Any) -> list[str]:
    if kind == FilePath:
        return [*BY_KIND[Path], "/dev/zero", "/", "absent"]
    if get_origin(kind) is Annotated:
        return _of_kind(get_args(kind)[0])
    return BY_KIND[BaseModel if _is_section(kind) else get_origin(kind) or kind]


def _beyond(bound: object) -> list[str]:
    match bound:
        case Ge(ge=limit) | Gt(gt=limit):
            return [str(limit - 1), "-1e300" if isinstance(limit, float) else "-99999999999"]
        case Le(le=limit) | Lt(lt=limit):
            return [str(limit + 1), "1e300" if isinstance(limit, float) else "99999999999999999999"]
    return []


def _kinds(annotation: Any) -> Iterator[Any]:
    """The alternatives in `X | Y | None`, each as it is."""
    if get_origin(annotation) in {Union, types.UnionType}:
        for inner in get_args(annotation):
            yield from _kinds(inner)
    elif get_origin(annotation) is Annotated and get_origin(get_args(annotation)[0]) is Union:
        yield from _kinds(get_args(annotation)[0])
    elif annotation is not type(None):
        yield annotation
