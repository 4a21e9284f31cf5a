"""What a request of an operator says: who asks, which incident, how long, in which words.

A request is a JSON object that anybody who may open the socket wrote: each reads one key of it, or
raises ControlError.
"""

from __future__ import annotations

from typing import Any, TypeGuard
from uuid import UUID

from config.errors import ControlError

MAX_SILENCE_H = 8760
"""A year; whoever never wants to hear of a camera takes it out of the configuration."""

MAX_TEXT = 2000
"""Characters of a note."""


def who(request: dict[str, Any]) -> str:
    """Who asks, as whoever may open the socket says."""
    return text(request, "by") or "somebody at the control socket"


def text(request: dict[str, Any], key: str) -> str:
    """A text that people wrote; ControlError where it is none, or too long."""
    value = request.get(key) or ""
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise ControlError(f"{key} must be a text of at most {MAX_TEXT} characters")
    return value.encode(errors="replace").decode()


def why(request: dict[str, Any], more: str = "") -> str:
    """The `reason` that is given, behind `more`, as the audit has it."""
    return "; ".join(part for part in (more, text(request, "reason")) if part)


def camera_name(request: dict[str, Any]) -> str | None:
    """What `camera` says, None where it is left out; ControlError where it is no text."""
    name = request.get("camera")
    if not isinstance(name, str | None):
        raise ControlError(f"a {type(name).__name__} is no camera; give its name as text")
    return name


def incident_id(request: dict[str, Any], where: str) -> UUID:
    """What `incident` says; `where`: what to do about one that is none."""
    key = request.get("incident")
    try:
        return UUID(key)
    except (ValueError, TypeError, AttributeError):
        raise ControlError(f"{key!r} is no incident; {where}") from None


def duration_s(request: dict[str, Any]) -> float:
    """`for_s`; ControlError where that is no duration of a silence."""
    for_s = request.get("for_s")
    if not _is_number(for_s) or not 0 < for_s <= MAX_SILENCE_H * 3600:
        raise ControlError(
            f"a silence lasts more than 0 s and at most {MAX_SILENCE_H}h (a year); to hear of a "
            "camera no more, take it out of the configuration"
        )
    return float(for_s)


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
