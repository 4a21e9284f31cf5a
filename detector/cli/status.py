"""`jikimi status`: what the running daemon does, for a person or as JSON."""

from __future__ import annotations

import argparse
import json
from typing import Any

from detector.cli.asking import add_state_dir, ask_daemon


def add_commands(commands: Any) -> None:
    """Add `status`."""
    status = commands.add_parser("status", help="what the running daemon does")
    status.add_argument("--json", action="store_true", help="everything, as one object")
    add_state_dir(status)
    status.set_defaults(run=_status)


def _status(chosen: argparse.Namespace) -> int:
    status = ask_daemon(chosen, "status")
    if chosen.json:
        print(json.dumps(status, ensure_ascii=False, indent=2))
        return 0
    print(summary(status))
    for reason in status["reasons"]:
        print(f"  {status['status']}: {reason}")
    return 0


def summary(status: dict[str, Any]) -> str:
    """What runs, for a person, from `Daemon.status`."""
    cameras, model = status["cameras"], status["model"]
    width = max(len(camera["name"]) for camera in cameras)
    lines = [f"Jikimi {status['version']} watches {len(cameras)} camera(s)"]
    for camera in cameras:
        reason = f"  ({camera['reason']})" if camera["reason"] else ""
        lines.append(
            f"  camera   {camera['name']:<{width}}  {camera['state']:<12} {camera['url']}  "
            f"alarms at {_thresholds(camera['calibration'])}{reason}"
        )
    lines.append(f"  model    {model['name']} on {model['engine']}")
    sinks = ", ".join(f"{sink['name']} ({sink['type']})" for sink in status["sinks"])
    lines.append(f"  sinks    {sinks}")
    lines.append(f"  metrics  {status['url']}/metrics   health {status['url']}/healthz")
    lines.append(f"  state    {status['state_dir']}")
    return "\n".join(lines)


def _thresholds(calibration: dict[str, dict[str, Any]]) -> str:
    """`violence from 0.63 (31 h learnt, expect 1.2 false a day)`, for each label."""
    parts = []
    for label, own in calibration.items():
        learnt = "stated"
        if own["learning"]:
            expected = own["false_alarms_per_day"]
            learnt = f"{own['hours']:.0f} h learnt, expect {expected:.2g} false a day"
        parts.append(f"{label} from {own['open_threshold']:.2f} ({learnt})")
    return ", ".join(parts)
