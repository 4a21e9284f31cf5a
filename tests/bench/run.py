"""`make bench`: what watching costs, as ratios against floors measured in the same run.

The floor is a plain PyAV reader (receive and decode, one thread, no scaling), one process a
stream, on the same RTSP streams. Floor and Jikimi take turns, so that a machine that drifts
drifts for both. `--soak SECONDS` watches 16 cameras for long instead.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
from scenes import encode_scene

from detector.inference.weights import load_classifier
from detector.motion import MotionTracker
from detector.recording import recorded_samples
from servers.daemon import DaemonProcess
from servers.rtsp import RtspServer

WARM_UP_S = 6.0
TICKS = os.sysconf("SC_CLK_TCK")
READER = """
import sys, av
with av.open(sys.argv[1], options={"rtsp_transport": "tcp"}) as container:
    stream = container.streams.video[0]
    stream.thread_type = "NONE"
    stream.codec_context.thread_count = 1
    for frame in container.decode(stream):
        pass
"""


def cpu_seconds(pid: int) -> float:
    """User and system time that process `pid` has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory_mb(pid: int) -> float:
    """Resident memory of process `pid`."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def pause(seconds: float) -> None:
    threading.Event().wait(seconds)


def cost(pids: list[int], seconds: float, cameras: int) -> float:
    """CPU milliseconds that `pids` take per camera and second."""
    pause(WARM_UP_S)
    before, started_s = sum(map(cpu_seconds, pids)), time.monotonic()
    pause(seconds)
    spent_s = sum(map(cpu_seconds, pids)) - before
    return 1000 * spent_s / (time.monotonic() - started_s) / cameras


@contextmanager
def readers(urls: list[str]) -> Iterator[list[int]]:
    processes = [subprocess.Popen([sys.executable, "-c", READER, url]) for url in urls]
    try:
        yield [process.pid for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()


def ratio(folder: Path, size: tuple[int, int], cameras: int, seconds: float, rounds: int) -> dict:
    """Jikimi against the floor on `cameras` streams of people moving."""
    clip = encode_scene(folder / f"busy-{size[1]}.mp4", size)
    floor_ms, jikimi_ms, memory = [], [], []
    with RtspServer({f"cam{i}": clip for i in range(cameras)}) as server:
        urls = {f"cam{i}": server.url(f"cam{i}") for i in range(cameras)}
        for turn in range(rounds):
            with readers(list(urls.values())) as pids:
                floor_ms.append(cost(pids, seconds, cameras))
            with DaemonProcess(folder / f"run-{size[1]}-{turn}", cameras=urls) as daemon:
                pid = daemon.process.pid
                jikimi_ms.append(cost([pid], seconds, cameras))
                memory.append(memory_mb(pid))
                share = min(daemon.scored_share(name) for name in urls)
    floor, jikimi = statistics.median(floor_ms), statistics.median(jikimi_ms)
    return {
        "size": f"{size[0]}x{size[1]}",
        "cameras": cameras,
        "floor_ms": [round(v, 1) for v in floor_ms],
        "jikimi_ms": [round(v, 1) for v in jikimi_ms],
        "ratio": round(jikimi / floor, 2),
        "memory_mb": round(max(memory)),
        "scored_share": round(share, 4),
    }


def pieces(folder: Path) -> dict:
    """Milliseconds for one motion view, and for one view through the network."""
    clip = encode_scene(folder / "busy-360.mp4", (640, 360))
    samples = list(recorded_samples(clip))[:200]
    tracker, views, times = MotionTracker(), [], []
    for sample in samples:
        started_s = time.perf_counter()
        view = tracker.push(sample)
        if view is not None:
            times.append(time.perf_counter() - started_s)
            views.append(view)
    figures = {"view_ms": round(1000 * statistics.median(times), 3)}
    engine = load_classifier().engine
    for batch in (1, 8):
        pixels = np.stack([view.pixels for view in views[:batch]])
        times = []
        for _ in range(60):
            started_s = time.perf_counter()
            engine.embed(pixels)
            times.append(time.perf_counter() - started_s)
        figures[f"inference_ms_batch_{batch}"] = round(1000 * statistics.median(times) / batch, 3)
    return figures


def soak(folder: Path, cameras: int, seconds: float) -> dict:
    """Watch `cameras` streams of 640×360 for long: what is scored, how old, and memory."""
    clip = encode_scene(folder / "busy-360.mp4", (640, 360))
    with RtspServer({f"cam{i}": clip for i in range(cameras)}) as server:
        urls = {f"cam{i}": server.url(f"cam{i}") for i in range(cameras)}
        with DaemonProcess(folder / "soak", cameras=urls) as daemon:
            pid = daemon.process.pid
            pause(min(60.0, seconds / 2))
            memory = [memory_mb(pid)]
            spent_s, started_s = cpu_seconds(pid), time.monotonic()
            while time.monotonic() - started_s < seconds - 60:
                pause(min(30.0, seconds / 4))
                memory.append(memory_mb(pid))
            elapsed_s = time.monotonic() - started_s
            return {
                "cameras": cameras,
                "seconds": round(elapsed_s + 60),
                "scored_share_all": round(
                    daemon.metric("jikimi_samples_scored_total")
                    / daemon.metric("jikimi_samples_due_total"),
                    4,
                ),
                "scored_share_worst_camera": round(min(map(daemon.scored_share, urls)), 4),
                "age_p99_ms": round(1000 * age_quantile(daemon, 0.99)),
                "cpu_ms_per_camera_second": round(
                    1000 * (cpu_seconds(pid) - spent_s) / elapsed_s / cameras, 1
                ),
                "memory_mb_each_half_minute_after_the_first": [round(m) for m in memory],
            }


def age_quantile(daemon: DaemonProcess, share: float) -> float:
    """Upper end of the histogram bucket that holds the quantile: never better than the truth."""
    total = daemon.metric("jikimi_sample_age_seconds_count")
    edges = ("0.02", "0.05", "0.1", "0.15", "0.2", "0.3", "0.5", "0.75", "1.0")
    for edge in edges:
        if daemon.metric("jikimi_sample_age_seconds_bucket", le=edge) >= share * total:
            return float(edge)
    return float("inf")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cameras", type=int, default=6)
    parser.add_argument("--soak", type=float, metavar="SECONDS", help="16 cameras for so long")
    parser.add_argument("--json", type=Path, metavar="FILE")
    chosen = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="jikimi-bench-")))
        if chosen.soak:
            found: dict = {"soak": soak(folder, 16, chosen.soak)}
        else:
            found = {
                "pieces": pieces(folder),
                "streams": [
                    ratio(folder, size, chosen.cameras, chosen.seconds, chosen.rounds)
                    for size in ((640, 360), (1280, 720))
                ],
            }
    print(json.dumps(found, indent=2))
    if chosen.json:
        chosen.json.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
