"""What assigning takes, what the coordinator keeps, and 5,000 cameras through 1,000 events.

python tests/bench/cluster.py, with the extra `cluster` for the coordinator.
"""

from __future__ import annotations

import importlib.util
import os
import statistics
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import measure

from cluster_simulation import LONGEST_S, Simulation
from detector.cluster.assignment import Assignment, Box, Camera, assign
from detector.cluster.configuration import Configuration
from detector.cluster.coordinator import Coordinator
from detector.cluster.roster import REPORT_EVERY_S, Report

CITY = [f"c{n}" for n in range(3000)]
BOXES = [f"b{n}" for n in range(60)]
CAPACITY_MS, CAMERA_MS = 2000.0, 11.4
ASKED_S = 60.0


def assigning() -> None:
    """3,000 cameras to 60 boxes; then a round in which nothing changes; then one box dead."""
    cameras = [Camera(name, f"s{n % 10}", CAMERA_MS) for n, name in enumerate(CITY)]
    boxes = [Box(name, CAPACITY_MS, 0, -1000) for name in BOXES]
    before = Assignment({}, {}, 1)
    for what in ("all anew", "nothing new", "one box dead"):
        if what == "one box dead":
            boxes = boxes[1:]
        began_s = time.process_time()
        after = assign(cameras, boxes, before.watches, 0, before.next_epoch)
        took_s = time.process_time() - began_s
        print(f"{what:<14} {1e3 * took_s:7.1f} ms of processor, {len(after.needed)} moves")
        before = after


def coordinating() -> None:
    """A real coordinator in Ray, asked by 60 boxes twice a second, of which one falls silent."""
    import ray

    text = "cameras:\n" + "".join(f"  {name}: rtsp://10.0.0.1/{name}\n" for name in CITY)
    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level="error")
    try:
        actor: Any = ray.remote(Coordinator).remote()
        ray.get(actor.configure.remote(Configuration(text, 1)))
        process = ray.get(actor.__ray_call__.remote(lambda _: os.getpid()))
        held: dict[str, Mapping[str, int]] = {name: {} for name in BOXES}
        answered: list[float] = []
        before_s, began_s = measure.cpu_seconds(process), time.monotonic()
        while (passed_s := time.monotonic() - began_s) < ASKED_S:
            for name in BOXES[passed_s > ASKED_S / 2 :]:
                costs = dict.fromkeys(held[name], CAMERA_MS)
                report = Report(
                    name, CAPACITY_MS, frozenset(), held[name], costs, frozenset(held[name])
                )
                asked_s = time.monotonic()
                share = ray.get(actor.report.remote(report, 1, None))["share"]
                answered.append(time.monotonic() - asked_s)
                held[name] = share if share is not None else held[name]
            measure.pause(max(0.0, passed_s + REPORT_EVERY_S - (time.monotonic() - began_s)))
        taken_s = measure.cpu_seconds(process) - before_s
        watched = sum(len(held[name]) for name in BOXES[1:])
        print(
            f"coordinator    {measure.memory_mb(process):.0f} MB, "
            f"{100 * taken_s / ASKED_S:.0f} % of a core; "
            f"a report is answered in {1e3 * statistics.median(answered):.1f} ms, "
            f"{1e3 * max(answered):.0f} at most; {watched} cameras on {len(BOXES) - 1} boxes"
        )
    finally:
        ray.shutdown()


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
    if importlib.util.find_spec("ray"):
        coordinating()
    living()
