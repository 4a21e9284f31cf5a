"""`jikimi outbox`: what waits for its receiver, and what receivers have refused for good."""

from __future__ import annotations

import argparse
import json
from datetime import datetime
from typing import Any

from config.errors import UsageError
from detector.cli.asking import add_state_dir, ask_daemon
from detector.cli.terminal import flow

INDENT = 4

HELD = "waiting for confirmation"
"""State of a message that an operator is to confirm, or that is behind one."""


def add_commands(commands: Any) -> None:
    """Add `outbox` with `list`, `retry` and `drop`."""
    outbox = commands.add_parser("outbox", help="alerts that wait, or were refused for good")
    kinds = outbox.add_subparsers(title="commands", metavar="COMMAND", required=True)

    listing = kinds.add_parser(
        "list",
        help="what waits and what was refused, by sink",
        description="What waits at each sink, the first 100, and what its receiver has refused for "
        "good: kept until it is sent again or dropped, the last 1000.",
    )
    listing.add_argument("--json", action="store_true", help="one object a line, times in UTC")
    add_state_dir(listing)
    listing.set_defaults(run=_list)

    retry = kinds.add_parser("retry", help="send refused alerts again, once the cause is mended")
    retry.add_argument("alerts", nargs="*", metavar="ID", help="of an alert (none: all)")
    add_state_dir(retry)
    retry.set_defaults(run=_retry)

    drop = kinds.add_parser("drop", help="delete refused alerts; nobody is told of them any more")
    drop.add_argument("alerts", nargs="*", metavar="ID", help="of an alert")
    drop.add_argument("--all", action="store_true", help="all that were refused")
    add_state_dir(drop)
    drop.set_defaults(run=_drop)


def _list(chosen: argparse.Namespace) -> int:
    found = ask_daemon(chosen, "outbox")
    messages = found["messages"]
    if chosen.json:
        for message in messages:
            print(json.dumps(message, ensure_ascii=False))
        return 0
    sinks = {sink["name"]: sink for sink in found["sinks"]}
    names = [*sinks, *(one["sink"] for one in messages)]  # one that is gone may have some, too
    for name in dict.fromkeys(names):
        of_sink = [one for one in messages if one["sink"] == name]
        for line in _lines(name, sinks.get(name), of_sink) if of_sink else ():
            print(line)
    if not messages:
        print("nothing waits and nothing was refused")
    return 0


def _lines(name: str, sink: dict[str, Any] | None, messages: list[dict[str, Any]]) -> list[str]:
    """`police (mqtt, failing)  2 wait  1 refused  REASON`, and a line a message."""
    waiting = [one for one in messages if one["state"] == "waiting"]
    held = [one for one in messages if one["state"] == HELD]
    refused = [one for one in messages if one["state"] == "refused"]
    depth = sink["waiting"] if sink else len(waiting)
    told = f"{name} ({sink['type']}, {sink['state']})" if sink else f"{name} (not configured)"
    counts = ((depth, "waiting", waiting), (len(held), HELD, held))
    parts = [f"{count} {what}" for count, what, found in counts if found]
    parts += [f"{len(refused)} refused"] * bool(refused)
    parts += [reason for one in waiting[:1] if (reason := one["reason"])]
    lines = [flow(told, parts, INDENT), *(_line(one) for one in held + waiting)]
    if depth > len(waiting):
        lines.append(f"  and {depth - len(waiting)} more")
    return [*lines, *(_line(one) for one in refused)]


def _line(message: dict[str, Any]) -> str:
    """`  refused  2026-11-27 12:03:41  3 min ago  gate  opened  ID  reason`, in local time."""
    at = datetime.fromisoformat(message["at"]).astimezone()
    phase = message["phase"] + (" exercise" if message["exercise"] else "")
    parts = [_ago(message["age_s"]), message["camera"], phase, message["alert"]]
    if message["state"] == "refused":
        parts.append(message["reason"])
    return flow(f"  {message['state']}  {at:%Y-%m-%d %H:%M:%S}", parts, INDENT)


def _ago(seconds: float) -> str:
    for unit, length_s in (("days", 172_800), ("h", 7200), ("min", 120)):
        if seconds >= length_s:
            return f"{seconds * 2 / length_s:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"


def _retry(chosen: argparse.Namespace) -> int:
    count = ask_daemon(chosen, "outbox-retry", alerts=chosen.alerts or None)["count"]
    print(f"{count} sent again" if count else "nothing to send again")
    return 0


def _drop(chosen: argparse.Namespace) -> int:
    if bool(chosen.alerts) == chosen.all:
        raise UsageError("give the ids of what to drop, or --all")
    answer = ask_daemon(chosen, "outbox-drop", alerts=chosen.alerts or None)
    count = answer["count"]
    print(f"{count} dropped" if count else "nothing to drop")
    if reason := answer["in_memory_only"]:
        print(f"accepted, in memory only: {reason}")
    return 0
