"""`make bench`: what watching costs, against floors measured in the same run.

One command, one table. A floor is a plain PyAV reader, a process for each stream, on the same
RTSP streams: one that only receives, one that receives and decodes. Floors, Jikimi and the
loops that others write take turns. `--all` adds every scene, 64 cameras, and how late alerts are;
`--latency` measures only the last, `--looks` only the second look, `--console` what it costs to
look at the wall, `--cluster` what a cluster costs the daemon, `--soak SECONDS` watches 16 cameras
for long instead.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path

import clustered
import contenders
import evidence
import latency
import measure
import numpy as np
import report
import scenes
import viewers
from measure import Contender, Cost, Pids

from detector.daemon.observability.metrics import LEFT_OUT_REASONS, LOOK_AGE_BUCKETS_S
from detector.footage.recording import recorded_samples
from detector.inference.weights import load_classifier, shipped_weights
from detector.motion.view import MotionTracker
from servers.daemon import DaemonProcess, wait_until
from servers.rtsp import RtspServer

HD, SUB = (1280, 720), (640, 360)
BUSY_CAMERAS, IDLE_CAMERAS = 6, 16
GROWTH, MANY = [(8, 8), (1, 0), (4, 0), (16, 1)], (64, 6)
"""Cameras, and how many of them are busy: a tenth; and all of some, else the fit can hardly tell
what an idle and what a busy one costs."""

ALARM_CAMERAS, ALERTS = 16, 200
AGE_EDGES = ("0.02", "0.05", "0.1", "0.15", "0.2", "0.3", "0.5", "0.75", "1.0")

LOOK_CAMERAS, LOOKS_S = 16, 60.0
LOOK_AGE_EDGES = tuple(str(edge) for edge in LOOK_AGE_BUCKETS_S)

Scene = Callable[[Path, tuple[int, int]], Path]


class Bench:
    """One run: where its clips and daemons live, how long and how often it measures."""

    def __init__(self, folder: Path, seconds: float, rounds: int) -> None:
        self.folder = folder
        self.seconds = seconds
        self.rounds = rounds

    def compare(
        self, scene: Scene, size: tuple[int, int], cameras: int, names: list[str]
    ) -> list[report.Row]:
        """The contenders called `names` on `cameras` streams of a scene, the first the floor."""
        clip = scene(self.folder, size)
        with RtspServer({f"cam{i}": clip for i in range(cameras)}) as server:
            urls = {f"cam{i}": server.url(f"cam{i}") for i in range(cameras)}
            every = self._contenders(urls)
            chosen = {name: every[name] for name in names}
            costs = measure.take_turns(
                chosen, cameras=cameras, seconds=self.seconds, rounds=self.rounds
            )
        where = f"{scene.__name__.replace('_', ', ')} {size[0]}×{size[1]}, {cameras} cameras"
        return [self._row(where, name, cost, costs[names[0]]) for name, cost in costs.items()]

    def prototype(self) -> list[report.Row]:
        """The prototype's way on a single camera: more are more than two cores can carry."""
        if importlib.util.find_spec("keras") is None:
            return [report.Row("prototype", "skipped: TensorFlow is not installed")]
        return self.compare(scenes.busy, HD, 1, ["receive and decode", "prototype", "Jikimi"])

    def grow(self, steps: list[tuple[int, int]], seconds: float) -> list[report.Growth]:
        """Of so many cameras so many busy, 640×360: what is scored, how old, how dear."""
        return [self._grown(cameras, busy, seconds) for cameras, busy in steps]

    def _grown(self, cameras: int, busy: int, seconds: float) -> report.Growth:
        moving, still = (scene(self.folder, SUB) for scene in (scenes.busy, scenes.idle))
        clips = {f"cam{i}": moving if i < busy else still for i in range(cameras)}
        with RtspServer(clips) as server:
            urls = {name: server.url(name) for name in clips}
            with contenders.jikimi(self.folder / "grow", urls) as daemon:
                contenders.settle(daemon, cameras - busy)
                before = figures(daemon)
                # server and daemon over the same span
                pids = [daemon_pid(daemon), server.pid]
                spent = [measure.cpu_seconds(pid) for pid in pids]
                started_s = time.monotonic()
                measure.pause(seconds)
                elapsed_s = time.monotonic() - started_s
                spent = [measure.cpu_seconds(p) - s for p, s in zip(pids, spent, strict=True)]
                after = figures(daemon)
                found = {key: value - before[key] for key, value in after.items()}
                return report.Growth(
                    cameras=cameras,
                    busy=busy,
                    seconds=elapsed_s,
                    cpu_ms=1000 * spent[0] / elapsed_s,
                    server_cpu_ms=1000 * spent[1] / elapsed_s,
                    memory_mb=measure.memory_mb(pids[0]),
                    scored_share=found["scored"] / found["due"],
                    age_p99_s=quantile(found, 0.99),
                    asleep_share=found["asleep"] / elapsed_s / cameras,
                )

    def pieces(self) -> dict[str, float]:
        """Milliseconds for one motion view, and for one view through each engine."""
        samples = list(recorded_samples(scenes.busy(self.folder, SUB)))[:200]
        tracker, views, times = MotionTracker(), [], []
        for sample in samples:
            started_s = time.perf_counter()
            view = tracker.view_of(sample)
            if view is not None:
                times.append(time.perf_counter() - started_s)
                views.append(view.pixels)
        found = {"motion view": 1000 * statistics.median(times)}
        for name in ("litert", "litert-int8"):
            if name not in load_classifier().sidecar.engines:
                continue
            engine = load_classifier(shipped_weights(), engine=name).engine
            times = []
            for _ in range(40):
                started_s = time.perf_counter()
                engine.embed(np.stack(views[:8]))
                times.append(time.perf_counter() - started_s)
            found[f"{name}, batch of 8"] = 1000 * statistics.median(times) / 8
        return found

    def latency(self, cameras: int, alerts: int) -> list[report.Latency]:
        """How late alerts are with fights on every camera: out of step, at once, on a busy disk."""
        measured = partial(latency.measured, self.folder, cameras, alerts)
        return [measured(), measured(at_once=True), measured(busy_disk=True)]

    def looks(self, cameras: int, seconds: float) -> report.Looks | None:
        """The second look on streams of 640×360 that move all the time; None: there is none."""
        clip = scenes.busy(self.folder, SUB)
        with RtspServer({f"cam{i}": clip for i in range(cameras)}) as server:
            urls = {f"cam{i}": server.url(f"cam{i}") for i in range(cameras)}
            with contenders.jikimi(self.folder / "looks", urls) as daemon:
                if daemon.health()["second_look"]["state"] == "none":
                    return None
                wait_until(lambda: second_look_state(daemon) != "starting", "the second look", 120)
                before, started_s = look_figures(daemon), time.monotonic()
                measure.pause(seconds)
                after, elapsed_s = look_figures(daemon), time.monotonic() - started_s
                found = {key: value - before[key] for key, value in after.items()}
                return report.Looks(
                    cameras=cameras,
                    seconds=elapsed_s,
                    looks=round(found["looks"]),
                    left_out={reason: round(found[reason]) for reason in LEFT_OUT_REASONS},
                    look_s=found["spent"] / max(found["looks"], 1),
                    share_of_core=found["spent"] / elapsed_s,
                    age_p99_s=quantile(found, 0.99, LOOK_AGE_EDGES),
                )

    def evidence(self) -> list[report.Row]:
        """What clips of incidents cost, on 16 cameras of 640×360, half of them busy."""
        costs = evidence.compare(
            self.folder,
            scenes.busy(self.folder, SUB),
            scenes.idle(self.folder, SUB),
            cameras=ALARM_CAMERAS,
            seconds=self.seconds,
            rounds=self.rounds,
        )
        floor = costs["evidence: off"]
        where = f"clips of incidents, {ALARM_CAMERAS} cameras"
        return [self._row(where, name, cost, floor) for name, cost in costs.items()]

    def console(self) -> list[report.Row]:
        """What it costs to look, at 16 cameras of 640×360 that sleep and that are busy."""
        rows = []
        for scene, asleep in ((scenes.idle, True), (scenes.busy, False)):
            costs = viewers.compare(
                self.folder / scene.__name__,
                scene(self.folder, SUB),
                cameras=IDLE_CAMERAS,
                seconds=self.seconds,
                rounds=self.rounds,
                asleep=asleep,
            )
            floor = costs["nobody looks"]
            where = f"console, {IDLE_CAMERAS} cameras {scene.__name__}"
            rows += [self._row(where, name, cost, floor) for name, cost in costs.items()]
        return rows

    def cluster(self) -> list[report.Row]:
        """What being in a cluster costs, on 16 busy cameras of 640×360."""
        clip = scenes.busy(self.folder, SUB)
        costs = clustered.compare(
            self.folder, clip, cameras=ALARM_CAMERAS, seconds=self.seconds, rounds=self.rounds
        )
        where = f"cluster, {ALARM_CAMERAS} cameras busy"
        return [self._row(where, name, cost, costs["alone"]) for name, cost in costs.items()]

    def soak(self, cameras: int, seconds: float) -> dict[str, object]:
        """Watch busy streams of 640×360 for long: what is scored, how old, and memory."""
        clip = scenes.busy(self.folder, SUB)
        with RtspServer({f"cam{i}": clip for i in range(cameras)}) as server:
            urls = {f"cam{i}": server.url(f"cam{i}") for i in range(cameras)}
            with contenders.jikimi(self.folder / "soak", urls) as daemon:
                pid = daemon_pid(daemon)
                measure.pause(min(60.0, seconds / 2))
                spent_s, started_s = measure.cpu_seconds(pid), time.monotonic()
                memory = [round(measure.memory_mb(pid))]
                while time.monotonic() - started_s < seconds - 60:
                    measure.pause(min(30.0, seconds / 4))
                    memory.append(round(measure.memory_mb(pid)))
                spent_s = measure.cpu_seconds(pid) - spent_s
                elapsed_s, found = time.monotonic() - started_s, figures(daemon)
                return {
                    "cameras": cameras,
                    "seconds": round(elapsed_s + 60),
                    "scored_share_all": round(found["scored"] / found["due"], 4),
                    "scored_share_worst_camera": round(min(map(daemon.scored_share, urls)), 4),
                    "age_p99_ms": round(1000 * quantile(found, 0.99)),
                    "cpu_ms_per_camera_second": round(1000 * spent_s / elapsed_s / cameras, 1),
                    "memory_mb_each_half_minute_after_the_first": memory,
                }

    def _contenders(self, urls: dict[str, str]) -> dict[str, Contender]:
        addresses = list(urls.values())
        sidecar = load_classifier().sidecar
        model = shipped_weights().parent / sidecar.engines["litert"].file
        readers = contenders.readers
        return {
            "receive": partial(readers, contenders.RECEIVE, addresses),
            "receive and decode": partial(readers, contenders.DECODE, addresses),
            "careful loop": partial(readers, contenders.CAREFUL, addresses, str(model)),
            "prototype": partial(readers, contenders.PROTOTYPE, addresses, warm_up_s=25),
            "Jikimi": partial(self._jikimi, urls, asleep=False),
            "Jikimi, asleep": partial(self._jikimi, urls, asleep=True),
        }

    @contextmanager
    def _jikimi(self, urls: dict[str, str], *, asleep: bool) -> Iterator[Pids]:
        with contenders.jikimi(self.folder / "run", urls) as daemon:
            if asleep:
                contenders.settle(daemon, len(urls))
            yield [daemon_pid(daemon)]
            if not asleep:
                share = min(map(daemon.scored_share, urls))
                assert share > 0.9, f"only {share:.0%} scored: this machine is too busy to measure"

    @staticmethod
    def _row(where: str, name: str, cost: Cost, floor: Cost) -> report.Row:
        return report.Row(where, name, cost.cpu_ms, cost.against(floor), max(cost.memory_mb))


def daemon_pid(daemon: DaemonProcess) -> int:
    """Its process."""
    assert daemon.process
    return daemon.process.pid


def figures(daemon: DaemonProcess) -> dict[str, float]:
    """What the daemon has counted so far, over all cameras."""
    bucket = "jikimi_sample_age_seconds_bucket"
    return {
        "scored": daemon.metric("jikimi_samples_scored_total"),
        "due": daemon.metric("jikimi_samples_due_total")
        - daemon.metric("jikimi_samples_dropped_total", reason="warming"),
        "asleep": daemon.metric("jikimi_asleep_seconds_total"),
        **{edge: daemon.metric(bucket, le=edge) for edge in (*AGE_EDGES, "+Inf")},
    }


def look_figures(daemon: DaemonProcess) -> dict[str, float]:
    """What its second look has counted so far, over all cameras."""
    left_out, bucket = "jikimi_second_looks_left_out_total", "jikimi_second_look_age_seconds_bucket"
    return {
        "looks": daemon.metric("jikimi_second_looks_total"),
        "spent": daemon.metric("jikimi_second_look_seconds_sum"),
        **{why: daemon.metric(left_out, reason=why) for why in LEFT_OUT_REASONS},
        **{edge: daemon.metric(bucket, le=edge) for edge in (*LOOK_AGE_EDGES, "+Inf")},
    }


def second_look_state(daemon: DaemonProcess) -> str:
    """What it says of its second look."""
    return str(daemon.health()["second_look"]["state"])


def quantile(found: dict[str, float], share: float, edges: tuple[str, ...] = AGE_EDGES) -> float:
    """Upper end of the bucket of ages that holds the quantile: never better than the truth."""
    for edge in edges:
        if found[edge] >= share * found["+Inf"]:
            return float(edge)
    return float("inf")


def main() -> None:
    """Measure, print the table, write JSON and plot where asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument(
        "--all", action="store_true", help="every scene, 64 cameras, and how late alerts are"
    )
    parser.add_argument("--latency", action="store_true", help="how late alerts are, nothing else")
    parser.add_argument("--looks", action="store_true", help="the second look, nothing else")
    parser.add_argument("--evidence", action="store_true", help="what clips cost, nothing else")
    parser.add_argument("--console", action="store_true", help="what looking costs, nothing else")
    parser.add_argument("--cluster", action="store_true", help="the daemon in a cluster, only that")
    parser.add_argument("--soak", type=float, metavar="SECONDS", help="16 cameras for so long")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="growth over cameras, a picture")
    parser.add_argument("--clips", type=Path, metavar="FOLDER", help="keep and use clips here")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="jikimi-bench-") as folder:
        bench = Bench(chosen.clips or Path(folder), chosen.seconds, chosen.rounds)
        if chosen.soak:
            report.write({"soak": bench.soak(16, chosen.soak)}, chosen.json)
            return
        if chosen.looks:
            looks = bench.looks(LOOK_CAMERAS, LOOKS_S)
            print(report.looks_line(looks) if looks else "these weights have no second look")
            report.write({"looks": looks and asdict(looks)}, chosen.json)
            return
        if chosen.latency:
            late = bench.latency(ALARM_CAMERAS, ALERTS)
            print(report.latency_table(late))
            report.write({"latency": [asdict(part) for part in late]}, chosen.json)
            return
        if chosen.evidence or chosen.cluster:
            for row in bench.evidence() if chosen.evidence else bench.cluster():
                print(f"{row.who:20} {row.against_floor:.3f} × {row.cpu_ms} {row.memory_mb:.0f} MB")
            return
        if chosen.console:
            print(report.console_table(bench.console(), IDLE_CAMERAS))
            return
        floors = ["receive and decode", "Jikimi", "careful loop"]
        rows = bench.compare(scenes.busy, HD, BUSY_CAMERAS, floors)
        asleep = ["receive", "receive and decode", "Jikimi, asleep"]
        rows += bench.compare(scenes.idle, HD, IDLE_CAMERAS, asleep)
        if chosen.all:
            awake = ["receive", "receive and decode", "Jikimi"]
            rows += bench.compare(scenes.empty, HD, IDLE_CAMERAS, asleep)
            rows += bench.compare(scenes.idle_constant, HD, IDLE_CAMERAS, awake)
            rows += bench.compare(scenes.busy, SUB, BUSY_CAMERAS, floors[:2])
            rows += bench.prototype()
        growth = bench.grow([*GROWTH, MANY], 150.0) if chosen.all else bench.grow(GROWTH, 25.0)
        late = bench.latency(ALARM_CAMERAS, ALERTS) if chosen.all else []
        looks = bench.looks(LOOK_CAMERAS, LOOKS_S)
        found = report.Found(rows, growth, bench.pieces(), late, looks)
    print(report.table(found))
    report.write(found.as_json(), chosen.json)
    if chosen.plot:
        report.plot(growth, chosen.plot)


if __name__ == "__main__":
    main()
