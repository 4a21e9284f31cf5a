"""Templates of MQTT topics, as `jikimi/{site}/{camera}/incident`."""

from __future__ import annotations

from collections.abc import Sequence
from string import Formatter

_LONGEST = 1000
"""Characters of a template; with four names filled in it stays below MQTT's 65,535 bytes."""


def checked_topic(template: str, fields: Sequence[str]) -> str:
    """`template`, whose `fields` may be filled in; raises ValueError in the operator's words."""
    allowed = ", ".join(f"{{{field}}}" for field in fields) or "none"
    try:
        parts = list(Formatter().parse(template))
    except ValueError as error:
        raise ValueError(f"is no template ({error}); use {allowed}") from None
    for _, field, form, conversion in parts:
        if field is not None and field not in fields:
            raise ValueError(f"has an unknown field {{{field}}}; there are {allowed}")
        if form or conversion:
            raise ValueError(f"has a field with : or ! in it; write {allowed} alone")
    if "+" in template or "#" in template or template.startswith("$"):
        raise ValueError("must not hold + or #, nor begin with $; those are for subscribers")
    if any(not level.strip() for level in template.split("/")):
        raise ValueError("has an empty level; remove the / at its beginning or end, or one of //")
    if len(template) > _LONGEST:
        raise ValueError(f"is longer than {_LONGEST} characters; shorten it")
    return template
