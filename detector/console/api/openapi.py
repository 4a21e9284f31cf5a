"""The description of the interface: OpenAPI 3.1, made of the operations."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version
from typing import Any

from pydantic.json_schema import models_json_schema

from detector.console.api.operations import OPERATIONS, Operation
from detector.console.api.problems import PROBLEM, Problem

REF = "#/components/schemas/{model}"

INCIDENT = {
    "name": "incident",
    "in": "path",
    "required": True,
    "description": "An incident's id",
    "schema": {"type": "string", "format": "uuid"},
}

PROBLEMS = {
    "401": "Nobody is logged in",
    "403": "Not within the account",
    "404": "There is no such thing",
    "409": "Not possible as things stand",
    "413": "Too long",
    "415": "No JSON",
    "422": "Not as described",
}


@cache
def description() -> dict[str, Any]:
    """The document; not to be changed."""
    kinds: list[Any] = [(one.asked, "validation") for one in OPERATIONS if one.method == "POST"]
    kinds += [(one.answer, "serialization") for one in OPERATIONS]
    kinds += [(Problem, "serialization")]
    _, schemas = models_json_schema(list(dict.fromkeys(kinds)), ref_template=REF)
    paths: dict[str, Any] = {}
    for one in OPERATIONS:
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Jikimi",
            "version": version("jikimi"),
            "description": "Cameras, incidents and verdicts. Errors are RFC 9457 problems.",
        },
        "paths": paths,
        "components": {"schemas": schemas["$defs"]},
    }


def _operation(one: Operation) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": one.run.__name__,
        "summary": one.run.__doc__,
        "description": f"For {one.role.name.lower()}s and above.",
        "parameters": [INCIDENT] if "{incident}" in one.path else [],
        "responses": {
            "200": {
                "description": "Done",
                "content": {"application/json": {"schema": _ref(one.answer)}},
            }
        }
        | {
            status: {"description": why, "content": {PROBLEM: {"schema": _ref(Problem)}}}
            for status, why in PROBLEMS.items()
        },
    }
    if one.method == "GET":
        found["parameters"] = found["parameters"] + _parameters(one)
    else:
        needed = any(field.is_required() for field in one.asked.model_fields.values())
        found["requestBody"] = {
            "required": needed,
            "content": {"application/json": {"schema": _ref(one.asked)}},
        }
    return found


def _parameters(one: Operation) -> list[dict[str, Any]]:
    schema = one.asked.model_json_schema(ref_template=REF)
    shared = schema.get("$defs", {})
    return [
        {
            "name": name,
            "in": "query",
            "required": name in schema.get("required", []),
            "schema": _inlined(part, shared),
        }
        for name, part in schema.get("properties", {}).items()
    ]


def _inlined(schema: dict[str, Any], shared: dict[str, Any]) -> dict[str, Any]:
    """In a query there is no null: left out is left out."""
    kinds = [kind for kind in schema.get("anyOf", [schema]) if kind.get("type") != "null"]
    kind = kinds[0]
    if "$ref" in kind:
        kind = shared[kind["$ref"].rsplit("/", 1)[-1]]
    return {key: value for key, value in kind.items() if key not in {"default", "title"}}


def _ref(model: type[Any]) -> dict[str, str]:
    return {"$ref": REF.format(model=model.__name__)}
