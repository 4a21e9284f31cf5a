"""JSON schema (draft 2020-12) of the YAML file as operators write it, for editors and CI.

It describes the forms of the file (cameras as URL or section, references in place of texts, a
sink's own keys beside `type`), which `Settings` no longer has. Cross-checks, such as routes that
name a camera, are `config.load`'s alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from config.references import FORMS
from config.settings import NAME_PATTERN, CameraSettings, Settings, SinkSettings

Schema = dict[str, Any]

_REFERENCE = {"$ref": "#/$defs/Reference"}
_URL: Schema = {
    "anyOf": [
        {
            "type": "string",
            "minLength": 1,
            "examples": ["rtsp://user:password@192.0.2.10:554/stream1", "/dev/video0"],
        },
        _REFERENCE,
    ]
}

_REPLACED = ("CameraSettings", "SinkSettings", "BaseModel")
"""Models that stand in the file in a form of their own, given below."""


def settings_schema(sink_options: Mapping[str, type[BaseModel]]) -> Schema:
    """The schema, with a choice among the sink types in `sink_options`."""
    definitions: Schema = {
        "Reference": {
            "title": "Reference",
            "description": "a text that stands elsewhere: in a file, an environment variable or a "
            "systemd credential",
            "oneOf": [_section({form: {"type": "string"}}, [form]) for form in FORMS],
        }
    }
    top = _properties(Settings, definitions)
    camera = _properties(CameraSettings, definitions)
    del camera["name"]
    text = {"anyOf": [{"type": "string"}, _REFERENCE]}
    camera |= {"url": _URL, "user": text, "password": text}
    top["cameras"] = _named(
        "cameras by name: a URL, or a section",
        {"anyOf": [*_URL["anyOf"], _section(camera, ["url"])]},
    )
    top["sinks"] = _named(
        "sinks by name: where alerts go",
        {"oneOf": [_sink(name, options, definitions) for name, options in sink_options.items()]},
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Jikimi's configuration",
        **_section(top, []),
        "$defs": definitions,
    }


class _AsWritten(GenerateJsonSchema):
    """Pydantic's schema, with what the file allows beyond it."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        """An empty value counts as not given, everywhere; said in `_properties`."""
        return self.generate_inner(schema["schema"])


def _properties(model: type[BaseModel], definitions: Schema, prefix: str = "") -> Schema:
    """The keys of `model`; the sections that they refer to go to `definitions`."""
    schema = model.model_json_schema(
        schema_generator=_AsWritten, ref_template=f"#/$defs/{prefix}{{model}}", mode="validation"
    )
    for name, inner in schema.get("$defs", {}).items():
        if name not in _REPLACED:
            definitions[prefix + name] = _as_written(inner)
    properties: Schema = _as_written(schema).get("properties", {})
    return properties


def _as_written(section: Schema) -> Schema:
    """`section` with references for texts, and empty values."""
    if "properties" not in section:
        return section
    properties = {}
    for name, found in section["properties"].items():
        value = {key: rest for key, rest in found.items() if key not in {"title", "default"}}
        kept = {key: value.pop(key) for key in ("description",) if key in value}
        forms = [_with_references(value)]
        if name not in section.get("required", []):
            forms.append({"type": "null"})
        shown = isinstance(found.get("default"), str | int | float)
        default = {"default": found["default"]} if shown else {}
        properties[name] = {**kept, "anyOf": forms, **default}
    if section.get("title") == "Hours":
        span = {"type": "string", "pattern": r"^\s*\d\d?:\d\d\s*-\s*\d\d?:\d\d\s*$"}
        clock = {"type": "string", "pattern": r"^\d\d?:\d\d$"}
        spelt = _section(dict.fromkeys(properties, clock), list(properties))
        return {"title": "Hours", "description": section["description"], "anyOf": [span, spelt]}
    whole = {**section, "properties": properties}
    if section.get("title") == "EvidenceSettings":
        off = {"enum": ["off", False]}  # which of them it is depends on who reads the YAML
        return {"description": section["description"], "anyOf": [whole, off]}
    if section.get("title") == "ConfirmSettings":
        return {"description": section["description"], "anyOf": [whole, {"const": "operator"}]}
    return whole


def _with_references(value: Schema) -> Schema:
    """`value`, where each text may as well stand elsewhere."""
    if value.get("type") == "string" and not {"enum", "const"} & set(value):
        kept = {key: rest for key, rest in value.items() if key not in {"format", "writeOnly"}}
        return {"anyOf": [kept, _REFERENCE]}
    changed: dict[str, object] = {
        key: _with_references(value[key])
        for key in ("items", "additionalProperties")
        if isinstance(value.get(key), dict)
    }
    if "anyOf" in value:
        changed["anyOf"] = [_with_references(inner) for inner in value["anyOf"]]
    return {**value, **changed}


def _sink(name: str, options: type[BaseModel], definitions: Schema) -> Schema:
    properties = _properties(SinkSettings, definitions)
    for own in ("name", "options"):
        del properties[own]
    schema = options.model_json_schema()
    properties = {
        **_properties(options, definitions, f"{name}."),
        **properties,
        "type": {"const": name},
    }
    return {
        "title": name,
        "description": schema.get("description", ""),
        **_section(properties, ["type", *schema.get("required", [])]),
    }


def _named(description: str, entry: Schema) -> Schema:
    return {
        "description": description,
        "type": ["object", "null"],
        "propertyNames": {"pattern": NAME_PATTERN},
        "additionalProperties": entry,
    }


def _section(properties: Schema, required: list[str]) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }
