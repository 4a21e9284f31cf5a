"""What assigning takes, and what a cluster of 5,000 cameras goes through in 1,000 events.

python tests/bench/cluster.py
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from cluster_simulation import LONGEST_S, Simulation
from detector.cluster.assignment import Assignment, Box, Camera, assign


def assigning() -> None:
    """3,000 cameras to 60 boxes; then a round in which nothing changes; then one box dead."""
    cameras = [Camera(f"c{n}", f"s{n % 10}", 11.4) for n in range(3000)]
    boxes = [Box(f"b{n}", 2000, 0, -1000) for n in range(60)]
    before = Assignment({}, {}, 1)
    for what in ("all anew", "nothing new", "one box dead"):
        if what == "one box dead":
            boxes = boxes[1:]
        began_s = time.process_time()
        after = assign(cameras, boxes, before.watches, 0, before.next_epoch)
        took_s = time.process_time() - began_s
        print(f"{what:<14} {1e3 * took_s:7.1f} ms of processor, {len(after.needed)} moves")
        before = after


def living(events: int = 1000) -> None:
    """Failures, joins and drains, one every two seconds."""
    played = Simulation(cameras=5000, boxes=100, sites=20, seed=1)
    played.settle()
    began_s = time.process_time()
    for event in range(1, events + 1):
        played.happen()
        played.run(2)
        if event % 100 == 0:
            _tell(played, time.process_time() - began_s)
    played.run(60)
    _tell(played, time.process_time() - began_s)


def _tell(played: Simulation, took_s: float) -> None:
    found = played.figures
    gaps = sorted(found.unwatched_s)
    print(
        f"{found.failures} failures, {found.joins} joins, {found.drains} drains in "
        f"{took_s:.0f} s of processor\n"
        f"cameras of boxes that failed or drained {found.orphans}, moves for them {found.needed}, "
        f"moves to even out {found.evened}\n"
        f"unwatched: longest {gaps[-1]:.1f} s (allowed {LONGEST_S} s), median "
        f"{gaps[len(gaps) // 2]:.1f} s; now {len(played.unwatched())}\n"
        f"watched by two boxes at once: {found.watched_twice}"
    )


if __name__ == "__main__":
    assigning()
    living()
