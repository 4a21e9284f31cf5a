"""`jikimi status`: what the running daemon does, for a person or as JSON."""

from __future__ import annotations

import argparse
import json
from datetime import datetime
from typing import Any

from alerts.delivery.status import SinkState
from detector.cli.asking import add_state_dir, ask_daemon
from detector.cli.terminal import NAME_COLUMNS, flow, local_end, padded
from detector.daemon.observability.columns import columns

INDENT = 12
"""Where what is said begins, right of what it is about."""

OWN_SHARE = 0.5
"""Below that (in the first 24 h) the prior says what to expect of a camera, not the camera."""


def add_commands(commands: Any) -> None:
    """Add `status`."""
    status = commands.add_parser("status", help="what the running daemon does")
    status.add_argument("--json", action="store_true", help="everything as JSON, times in UTC")
    add_state_dir(status)
    status.set_defaults(run=_status)


def _status(chosen: argparse.Namespace) -> int:
    status = ask_daemon(chosen, "status")
    if chosen.json:
        print(json.dumps(status, ensure_ascii=False, indent=2))
        return 0
    print(summary(status))
    for reason in status["reasons"]:
        print(flow("", [f"{status['status']}: {reason}"], indent=4))
    return 0


def summary(status: dict[str, Any]) -> str:
    """What runs, for a person, from `Daemon.status`; fits the terminal."""
    cameras, model, url = status["cameras"], status["model"], status["url"]
    name_width = min(NAME_COLUMNS, max(columns(camera["name"]) for camera in cameras))
    state_width = max(len(camera["state"]) for camera in cameras)
    rows = []
    for camera in cameras:
        named = (padded(camera["name"], name_width), padded(camera["state"], state_width))
        told = camera["reason"].removeprefix(f"{camera['url']}: ")
        reason = [f"({told})"] if told else []
        # a daemon that was started before an upgrade tells of no zones
        drawn = ["zones drawn in the console"] * (camera["name"] in status.get("drawn_zones", []))
        thresholds = _thresholds(camera["calibration"])
        rows.append(("camera", [*named, camera["url"], *reason, *thresholds, *drawn]))
    # a daemon that was started before an upgrade tells of no silences
    rows += [("silenced", [told_silence(silence)]) for silence in status.get("silences", [])]
    rows += [("confirm", [_awaiting(one)]) for one in status.get("awaiting", [])]
    rows += [
        ("model", [f"{model['name']} on {model['engine']}", *_looks(status)]),
        ("sinks", [_sink(sink) for sink in status["sinks"]]),
        ("metrics", [f"{url}/metrics", f"health {url}/healthz"]),
        ("state", [status["state_dir"]]),
    ]
    if (page := status.get("page")) is not None:  # None: as above
        rows.append(("page", [page or "closed: http.accounts has nobody"]))
    lines = [f"Jikimi {status['version']} watches {len(cameras)} camera(s)"]
    lines += [flow(f"  {what:<8}", parts, INDENT) for what, parts in rows]
    return "\n".join(lines)


def _looks(status: dict[str, Any]) -> list[str]:
    """`second look behind (its budget …)`; nothing where the weights have none."""
    look = status.get("second_look")  # None: a daemon that was started before an upgrade
    if look is None or look["state"] == "none":
        return []
    return [f"second look {look['state']}", *([f"({look['reason']})"] if look["reason"] else [])]


def _sink(sink: dict[str, Any]) -> str:
    """`police (mqtt)`, with its state where it does not work, and what it has refused."""
    told = [sink["type"]]
    if sink["state"] in {SinkState.CONNECTING, SinkState.FAILING}:
        told.append(sink["state"])
    if refused := sink.get("refused"):  # None: a daemon that was started before an upgrade
        told.append(f"{refused} refused")
    return f"{sink['name']} ({', '.join(told)})"


def _awaiting(one: dict[str, Any]) -> str:
    """`police waits for an operator: gate, incident ID, until 14:30:07, then send`."""
    until = datetime.fromisoformat(one["until"]).astimezone()
    told = f"{one['sink']} waits for an operator: {one['camera']}, incident {one['incident']}"
    return f"{told}, until {until:%H:%M:%S}, then {one['then']}"


def told_silence(silence: dict[str, Any]) -> str:
    """`gate until 14:30`, from one of the status' silences; local time."""
    return f"{silence['camera'] or 'every camera'} until {local_end(silence['until'])}"


def _thresholds(calibration: dict[str, dict[str, Any]]) -> list[str]:
    """`violence from 0.63 (31 h learnt, expect 1.2 false a day)`, for each label."""
    return [
        f"{label} from {own['open_threshold']:.2f} ({_learnt(own)})"
        for label, own in calibration.items()
    ]


def _learnt(own: dict[str, Any]) -> str:
    """What the camera itself has taught: its false alarms only once that outweighs the prior."""
    if not own["learning"]:
        return "stated"
    if not own["hours"]:
        return "not learnt yet"
    learnt = f"{own['hours']:.2g} h learnt" if own["hours"] < 1 else f"{own['hours']:.0f} h learnt"
    if own["share"] < OWN_SHARE:
        return learnt
    return f"{learnt}, expect {own['false_alarms_per_day']:.2g} false a day"
