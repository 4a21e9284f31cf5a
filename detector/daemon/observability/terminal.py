"""The log for people: one short line an event, in local time, alarms in red.

`12:03:41  ALARM   gate  violence 0.87  → police, siren`

The events that people wait for have words of their own here; any other is shown as it is, with
its keys and values. Details (an incident's updates, each delivery) are shown at level debug only.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import structlog
from structlog.typing import EventDict, WrappedLogger

from detector.daemon.observability.columns import columns

KIND_WIDTH = 6
TEXT_COLUMN = len("12:03:41  ") + KIND_WIDTH + 2
LEAST_WIDTH = 40
USUAL_WIDTH = 80
"""Where a terminal does not say how wide it is."""

RED, YELLOW, DIM, PLAIN = "\x1b[1;31m", "\x1b[33m", "\x1b[2m", "\x1b[0m"
STYLE = {"ALARM": RED, "error": RED, "DRILL": YELLOW, "warn": YELLOW, "lost": YELLOW}

KIND_OF_LEVEL = {"warning": "warn", "critical": "error"}
KIND_OF_PHASE = {"opened": "ALARM", "updated": "update", "closed": "closed"}
KIND_OF_NOTICE = {"camera_lost": "lost", "camera_back": "back"}

SHOWN_ELSEWHERE = frozenset({"level", "timestamp", "exception", "stack", "camera"})
_URL_BEFORE = re.compile(r"^\w+://\S+: ")

Words = tuple[str, str]
"""The kind of event, and what happened."""


def drop_details(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    """A processor that leaves out what only repeats or confirms another line."""
    if _is_detail(event):
        raise structlog.DropEvent
    return event


def terminal_line(_logger: WrappedLogger, _name: str, event: EventDict) -> str:
    """The last processor: an event's line; a traceback, of an unexpected fault, follows it."""
    kind, text = _words(event)
    if camera := event.get("camera"):
        text = f"{camera}  {text}"
    text = f"{kind:<{KIND_WIDTH}}  {_printable(text)}"
    if width := terminal_width():
        text = _wrapped(text, width - len("12:03:41  "), "\n" + " " * TEXT_COLUMN)
    line = _styled(kind, f"{event['timestamp']}  ", text)
    return "\n".join([line, *(event[key] for key in ("exception", "stack") if event.get(key))])


def terminal_width() -> int | None:
    """Columns of the terminal behind standard error; None where it is no terminal."""
    if not sys.stderr.isatty():
        return None
    try:
        width = os.get_terminal_size(sys.stderr.fileno()).columns
    except OSError:
        width = 0
    return max(width, LEAST_WIDTH) if width else USUAL_WIDTH


def _is_detail(event: Mapping[str, Any]) -> bool:
    match event["event"]:
        case "incident":
            return event.get("phase") == "updated"
        case "alert":  # the log sink's: the line of the incident has said so already
            return event.get("phase") not in KIND_OF_NOTICE and not event.get("late")
        case "alert delivered":
            return not event.get("late")
        case "camera state":
            return event.get("state") == "connecting"
        case "engine chosen":  # the summary names it
            return True
    return False


def _words(event: Mapping[str, Any]) -> Words:
    own = _OWN_WORDS.get(event["event"])
    if own is not None:
        try:
            return own(event)
        except (KeyError, TypeError, ValueError):
            pass  # a library may log such an event, too, with other keys
    level = str(event.get("level", "info"))
    values = [
        f"{key}={value}"
        for key, value in event.items()
        if key not in SHOWN_ELSEWHERE | {"event"} and value not in ("", None)
    ]
    return KIND_OF_LEVEL.get(level, level), "  ".join([str(event["event"]), *values])


def _incident(event: Mapping[str, Any]) -> Words:
    phase, exercise = event["phase"], event.get("exercise", False)
    kind = "DRILL" if exercise and phase == "opened" else KIND_OF_PHASE[phase]
    text = f"{event['label']} {event['peak']:.2f}"
    if exercise and phase != "opened":
        text = f"drill, {text}"
    if phase == "opened":
        text += ", not verified" if event.get("verified") is False else ""
        text += f"  → {', '.join(event['sinks']) or 'no sink'}"
    if phase == "closed":
        text += f" after {event['duration_s']:.0f} s"
    if reason := event.get("reason"):
        text += f" ({reason})"
    return kind, text


def _alert(event: Mapping[str, Any]) -> Words:
    phase = event["phase"]
    if phase in KIND_OF_NOTICE:
        return KIND_OF_NOTICE[phase], _URL_BEFORE.sub("", event.get("reason") or "")
    opened_at = datetime.fromisoformat(event["opened_at"]).astimezone()
    text = f"{event['label']} {event['score']:.2f} {phase}, began {opened_at:%Y-%m-%d %H:%M:%S}"
    return ("late" if event.get("late") else "alert"), text


def _camera_state(event: Mapping[str, Any]) -> Words:
    reason = _URL_BEFORE.sub("", event["reason"])  # the camera's name says which URL it is
    return "camera", f"{event['state']}{': ' if reason else ''}{reason}"


def _second_look(event: Mapping[str, Any]) -> Words:
    level, reason = str(event["level"]), event.get("reason")
    told = f"second look {event['state']}{f': {reason}' if reason else ''}"
    return KIND_OF_LEVEL.get(level, level), told


def _threshold(event: Mapping[str, Any]) -> Words:
    return "learnt", (
        f"alarms at {event['label']} from {event['open_threshold']:.2f} "
        f"(before: {event['before']:.2f}; {event['hours']:.0f} h learnt)"
    )


_OWN_WORDS: dict[str, Callable[[Mapping[str, Any]], Words]] = {
    "incident": _incident,
    "alert": _alert,
    "camera state": _camera_state,
    "second look": _second_look,
    "threshold learnt": _threshold,
}


def _styled(kind: str, time: str, text: str) -> str:
    colours = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    if not colours or os.environ.get("TERM") == "dumb":
        return time + text
    style = STYLE.get(kind)
    return f"{DIM}{time}{PLAIN}" + (f"{style}{text}{PLAIN}" if style else text)


def _printable(text: str) -> str:
    """Without what would move the cursor: a camera or a broker may have sent it."""
    return "".join(char if char.isprintable() else " " for char in text)


def _wrapped(text: str, width: int, newline: str) -> str:
    """Broken between words where more than `width` columns would be needed."""
    first, *words = text.split(" ")
    lines, used = first, columns(first)
    for word in words:
        if word and used + 1 + columns(word) > width:
            lines, used = lines.rstrip() + newline + word, KIND_WIDTH + 2 + columns(word)
        else:
            lines, used = f"{lines} {word}", used + 1 + columns(word)
    return lines
