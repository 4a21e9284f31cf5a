"""Who is measured: plain readers as floors, loops that others write, and Jikimi.

Every reader is a process of its own for each stream, so no floor pays for Python's lock.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from measure import Pids, pause
from prometheus_client.parser import text_string_to_metric_families

from servers.daemon import DaemonProcess, wait_until

WARM_UP_S = 5.0

RECEIVE = """
import sys, av
with av.open(sys.argv[1], options={"rtsp_transport": "tcp"}) as container:
    for packet in container.demux(video=0):
        pass
"""

DECODE = """
import sys, av
with av.open(sys.argv[1], options={"rtsp_transport": "tcp"}) as container:
    stream = container.streams.video[0]
    stream.thread_type = "NONE"
    stream.codec_context.thread_count = 1
    for frame in container.decode(stream):
        pass
"""

PROTOTYPE = """
import sys, cv2, keras, numpy as np
network = keras.applications.MobileNetV2(input_shape=(96, 96, 3), weights=None, classes=1)
capture, index = cv2.VideoCapture(sys.argv[1], cv2.CAP_FFMPEG), 0
while True:
    there, frame = capture.read()
    if index % 6 == 0:
        small = cv2.resize(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), (96, 96)) / 127.5 - 1
        network.predict(small[None].astype(np.float32), verbose=0)
    index += 1
"""
"""As it was: every frame decoded and copied as a full picture, Keras asked for every sixth."""

CAREFUL = """
import sys, cv2, numpy as np
from ai_edge_litert.interpreter import Interpreter
cv2.setNumThreads(1)
network = Interpreter(model_path=sys.argv[2], num_threads=1)
network.allocate_tensors()
[entry] = network.get_input_details()
capture, index, greys = cv2.VideoCapture(sys.argv[1], cv2.CAP_FFMPEG), 0, []
while capture.grab():
    if index % 3 == 0:
        there, frame = capture.retrieve()
        grey = cv2.cvtColor(cv2.resize(frame, (320, 180), interpolation=cv2.INTER_AREA),
                            cv2.COLOR_BGR2GRAY)
        greys = [*greys[-2:], cv2.resize(grey, (96, 96), interpolation=cv2.INTER_AREA)]
        if len(greys) == 3:
            view = np.stack(greys, -1).astype(np.float32) / 127.5 - 1
            network.set_tensor(entry["index"], view[None])
            network.invoke()
    index += 1
"""
"""By hand and with care: nothing copied in vain, LiteRT, 8 times a second; no motion view."""

CAPTURE_OPTIONS = {
    "OPENCV_FFMPEG_CAPTURE_OPTIONS": "rtsp_transport;tcp|threads;1",
    "OPENCV_FFMPEG_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}


@contextmanager
def readers(
    script: str, urls: Sequence[str], *arguments: str, warm_up_s: float = WARM_UP_S
) -> Iterator[Pids]:
    """One process of `script` a stream."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script, url, *arguments],
            env={**os.environ, **CAPTURE_OPTIONS},
            stderr=subprocess.DEVNULL,
        )
        for url in urls
    ]
    try:
        pause(warm_up_s)
        assert all(process.poll() is None for process in processes), "a reader has ended"
        yield [process.pid for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()


@contextmanager
def jikimi(
    folder: Path, urls: Mapping[str, str], config: str | None = None, log: Path | None = None
) -> Iterator[DaemonProcess]:
    """The daemon on fresh state, once every camera is live; `log`: where to, if not beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    run = folder / f"run-{sum(1 for _ in folder.iterdir())}"
    daemon = DaemonProcess(run, cameras=urls, config=config)
    daemon.log_path = log or daemon.log_path
    with daemon:
        wait_until(lambda: _live(daemon) == len(urls), "every camera to be live", 60)
        pause(WARM_UP_S)
        yield daemon


def settle(daemon: DaemonProcess, sleepers: int) -> None:
    """Wait until so many cameras sleep."""
    wait_until(lambda: _asleep(daemon) >= sleepers, f"{sleepers} cameras to fall asleep", 120)
    pause(WARM_UP_S)


def _asleep(daemon: DaemonProcess) -> int:
    name = "jikimi_asleep_seconds_total"
    return sum(
        sample.value > 0
        for family in text_string_to_metric_families(daemon.metrics_text())
        for sample in family.samples
        if sample.name == name
    )


def _live(daemon: DaemonProcess) -> int:
    return sum(camera["state"] == "live" for camera in daemon.health()["cameras"])
