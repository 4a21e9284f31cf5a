"""`jikimi plan`: what box so many cameras need."""

from __future__ import annotations

import argparse
import re
from typing import Any

from detector.capture.kept.bounds import BOX_BYTES, MOST_BYTES
from detector.planning import (
    COSTS,
    LOAD,
    MEASURED_ON,
    Boxes,
    plan,
    plan_cluster,
    told_looks,
)


def add_commands(commands: Any) -> None:
    """Add `plan`."""
    parser = commands.add_parser("plan", help="what box so many cameras need")
    parser.add_argument(
        "--cameras", type=_count, required=True, metavar="N", help="how many cameras"
    )
    parser.add_argument(
        "--resolution",
        choices=list(COSTS),
        default="360p",
        help="of the stream that is watched (default: 360p)",
    )
    parser.add_argument(
        "--busy",
        type=_share,
        default=0.2,
        metavar="SHARE",
        help="share of the time in which something moves, 0 to 1 (default: 0.2); 1 for cameras "
        "with constant bit rate, B-frames or rare key frames, which are always decoded",
    )
    parser.add_argument(
        "--boxes",
        type=_boxes,
        metavar="NxMcores,…",
        help="of a cluster, such as 60x2cores or 10x2cores,1x16cores: whether they are enough, and "
        "how many may die",
    )
    parser.set_defaults(run=_plan)


def _plan(chosen: argparse.Namespace) -> int:
    from detector.inference.second_look.looking import look_time  # noqa: PLC0415 - LiteRT

    found = plan(chosen.cameras, chosen.resolution, chosen.busy)
    worst = plan(chosen.cameras, chosen.resolution, 1.0)
    print(
        f"cameras    {chosen.cameras} of {chosen.resolution}, "
        f"something moving {chosen.busy:.0%} of the time"
    )
    print(
        f"processor  {found.cores} core(s): {found.load_cores:.1f} taken on average, "
        f"at most {LOAD:.0%} of what is there"
    )
    print(f"           {worst.cores} core(s) if something moved in all of them at once")
    print(f"memory     {found.memory_mb / 1000:.1f} GB")
    print(
        f"           {found.clips_mb / 1000:.2f} GB of it for clips of incidents, at most "
        f"{MOST_BYTES / 1e6:.0f} MB a camera and {BOX_BYTES / 1e6:.0f} MB in all"
    )
    print(f"network    {found.mbit:.0f} Mbit/s")
    print(f"measured   {MEASURED_ON}")
    if chosen.boxes:
        for line in _cluster(chosen):
            print(line)
    if (look_s := look_time(None)) is not None:
        print(f"look       a second look {told_looks(look_s)}")
    if chosen.resolution != "360p":
        less = plan(chosen.cameras, "360p", chosen.busy)
        print(f"advice     sub-streams of 640×360 detect as well and need {less.cores} core(s)")
    return 0


def _cluster(chosen: argparse.Namespace) -> list[str]:
    found = plan_cluster(chosen.cameras, chosen.resolution, chosen.busy, chosen.boxes)
    count = sum(kind.count for kind in chosen.boxes)
    lines = [f"boxes      {found.needed} needed; {count} have room for {found.watched} cameras"]
    if found.watched < chosen.cameras:
        lines.append("           none may die: there are too few as it is")
    else:
        lines.append(f"           {found.may_die} may die at once, whichever")
    if found.lacking:
        last = chosen.boxes[-1].cores
        lines.append(f"           {found.lacking} more of {last} core(s), and any one may die")
    return lines


def _boxes(text: str) -> list[Boxes]:
    found = []
    for part in text.split(","):
        read = re.fullmatch(r"(\d+)x(\d+)(cores?)?", part.strip())
        if read is None or not int(read[1]) or not int(read[2]):
            raise argparse.ArgumentTypeError(f"{part!r} is no kind of box; write 60x2cores")
        found.append(Boxes(int(read[1]), int(read[2])))
    return found


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return count


def _share(text: str) -> float:
    share = float(text)
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError("between 0 and 1")
    return share
