"""The status of a cluster, for a person."""

from __future__ import annotations

from typing import Any

from detector.cli.terminal import NAME_COLUMNS, flow, padded
from detector.daemon.observability.columns import columns


def shown(status: dict[str, Any]) -> str:
    """Boxes, what lacks one, and whether a box may die; fits the terminal."""
    boxes, cameras = status["boxes"], status["cameras"]
    width = min(NAME_COLUMNS, max((columns(box["name"]) for box in boxes), default=0))
    live = sum(camera["live"] for camera in cameras.values())
    lines = [f"{len(boxes)} box(es), {len(cameras)} camera(s) assigned, {live} live"]
    for box in boxes:
        what = [padded(box["name"], width), _state(box)]
        what += [f"{box['live']} of {box['cameras']} camera(s) live", f"load {box['load']:.0%}"]
        what += [f"sites {', '.join(box['sites'])}"] if box["sites"] else []
        lines.append(flow("  box     ", what, indent=12))
    for name, reason in status["unassignable"].items():
        lines.append(flow("  nobody  ", [name, reason], indent=12))
    for sink, box in status["unknown_boxes"].items():
        lines.append(
            flow("  sink    ", [sink, f"names box {box}, which has not joined"], indent=12)
        )
    lines.append(flow("  room    ", [_room(status["head_room"])], indent=12))
    if status["journal"]:
        lines.append(flow("  journal ", [status["journal"]], indent=12))
    return "\n".join(lines)


def _state(box: dict[str, Any]) -> str:
    if not box["alive"]:
        return f"dead, last heard of {box['seen_ago_s']:.0f} s ago"
    return "draining" if box["draining"] else "works"


def _room(room: dict[str, Any]) -> str:
    if room["enough"]:
        return "any one box may die"
    if not room["unwatched"]:
        return f"without {room['without']} a box would have a load of {room['load']:.0%}"
    lost = ", ".join(f"{box} ({len(names)})" for box, names in room["unwatched"].items())
    return f"cameras would be unwatched without {lost}"
