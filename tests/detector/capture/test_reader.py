"""One camera's thread against a real RTSP server, whole and in pieces."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from detector.types import CameraState
from servers.faults import GarbageProxy, SilentServer
from servers.ports import free_port
from servers.rtsp import INSTALL, Feed, RtspServer, gst_available

PASSWORD = "p@ss:w/or#d%"
ENCODED = "p%40ss%3Aw%2For%23d%25"
LIVE, OFFLINE, STALLED = CameraState.LIVE, CameraState.OFFLINE, CameraState.STALLED


@pytest.mark.parametrize("transport", ["tcp", pytest.param("udp", marks=pytest.mark.slow)])
def test_a_live_camera_gives_eight_small_greys_a_second(
    watch: Callable, clip: Path, transport: str
) -> None:
    if transport == "udp" and not gst_available():
        pytest.skip(f"the RTSP server at hand speaks TCP only: {INSTALL}")
    with RtspServer({"gate": clip}) as server:
        watched = watch(server.url("gate"), transport=transport)
        watched.wait(lambda w: len(w.samples) >= 17)
    first, *_, last = watched.samples[:17]
    assert watched.history[:2] == [CameraState.CONNECTING, LIVE]
    assert first.camera == "gate"
    assert first.grey.shape == (180, 320)
    assert first.grey.dtype == np.uint8
    assert last.pts_s - first.pts_s == pytest.approx(16 / 8, abs=0.1)
    assert (last.utc - first.utc).total_seconds() == pytest.approx(16 / 8, abs=0.5)
    assert all(b.pts_s > a.pts_s and b.utc >= a.utc for a, b in pairwise(watched.samples))
    assert first.frame.bgr(max_side=200).shape == (112, 200, 3)
    assert watched.counts["missed"] == watched.counts["late"] == 0
    assert watched.counts["decode_errors"] == 0


@pytest.mark.slow
def test_a_camera_that_hangs_up_is_live_again_when_it_is_back(watch: Callable, clip: Path) -> None:
    with RtspServer({"gate": clip}) as server:
        watched = watch(server.url("gate"))
        watched.wait(lambda w: w.samples)
        server.kill()
        watched.wait(lambda w: w.state is OFFLINE)
        seen = len(watched.samples)
        server.start()
        watched.wait(lambda w: len(w.samples) > seen + 8)
    assert watched.history[:4] == [CameraState.CONNECTING, LIVE, OFFLINE, LIVE]


@pytest.mark.slow
def test_a_camera_absent_at_start_is_tried_until_it_is_there(watch: Callable, clip: Path) -> None:
    server = RtspServer({"gate": clip})
    watched = watch(server.url("gate"))
    watched.wait(lambda w: w.state is OFFLINE and w.counts["connecting"] >= 2)
    assert "connection refused" in watched.states[-1].reason
    with server:
        watched.wait(lambda w: w.samples)
        assert watched.history == [CameraState.CONNECTING, OFFLINE, LIVE]


@pytest.mark.slow
def test_a_camera_that_falls_silent_is_stalled(watch: Callable, clip: Path) -> None:
    with RtspServer({"gate": Feed((clip,), silent_after=50)}) as server:
        watched = watch(server.url("gate"))
        watched.wait(lambda w: STALLED in w.history)
        watched.wait(lambda w: w.counts["connecting"] >= 2)
        watched.wait(lambda w: w.history.count(LIVE) >= 2)
    assert watched.history[:4] == [CameraState.CONNECTING, LIVE, STALLED, LIVE]
    assert "nothing received for 1 s" in watched.states[2].reason


@pytest.mark.slow
def test_a_server_that_accepts_and_says_nothing_is_offline(watch: Callable) -> None:
    with SilentServer() as server:
        watched = watch(f"rtsp://127.0.0.1:{server.port}/gate", open_timeout_s=0.5)
        watched.wait(lambda w: w.counts["connecting"] >= 2)
    assert watched.state is OFFLINE
    assert "no answer within 0.5 s" in watched.states[-1].reason


@pytest.mark.slow
def test_a_wrong_password_is_told_and_not_hammered(watch: Callable, clip: Path) -> None:
    with RtspServer({"gate": clip}, "admin", PASSWORD) as server:
        watched = watch(server.url("gate", "guessed"))
        watched.wait(lambda w: w.state is CameraState.UNAUTHORISED)
        other = watch(server.url("gate"))
        other.wait(lambda w: len(w.samples) > 16)  # long enough for a second try
    assert watched.counts["connecting"] == 1
    assert "user name or password refused" in watched.states[-1].reason


@pytest.mark.slow
def test_damaged_pictures_do_not_end_the_camera(watch: Callable, clip: Path) -> None:
    with RtspServer({"gate": clip}) as server, GarbageProxy(server.port) as proxy:
        watched = watch(server.url("gate").replace(str(server.port), str(proxy.port)))
        watched.wait(lambda w: len(w.samples) > 8)
        proxy.damage.set()
        watched.wait(lambda _: proxy.damaged > 40)
        proxy.damage.clear()
        seen = len(watched.samples)
        watched.wait(lambda w: len(w.samples) > seen + 16)
        assert watched.state is LIVE
    assert watched.counts["decode_errors"] > 0
    assert not any("internal" in change.reason for change in watched.states)


@pytest.mark.slow
def test_a_change_of_picture_size_is_survived(watch: Callable, clip: Path, tall_clip: Path) -> None:
    with RtspServer({"gate": Feed((tall_clip, clip))}) as server:
        watched = watch(server.url("gate"))
        watched.wait(lambda w: len({s.grey.shape for s in w.samples}) == 2)
        watched.wait(lambda w: w.samples[-1].grey.shape == (320, 240), within_s=30)
        assert watched.history == [CameraState.CONNECTING, LIVE]
    assert {s.grey.shape for s in watched.samples} == {(320, 240), (180, 320)}


@pytest.mark.slow
def test_a_reader_that_cannot_keep_up_skips_to_the_newest(watch: Callable, clip: Path) -> None:
    with RtspServer({"gate": clip}) as server:
        never = threading.Event()
        # each sample takes 0.3 s, 2.4 times as long as a reader has
        watched = watch(server.url("gate"), on_sample=lambda _: never.wait(0.3))
        watched.wait(lambda w: w.counts["late"] > 8)
        watched.wait(lambda w: any(b.pts_s - a.pts_s > 0.9 for a, b in pairwise(w.samples)))
        watched.reader.stop(1)
    assert watched.counts["frames"] < watched.counts["packets"] - 20
    not_taken = watched.counts["late"] + watched.counts["missed"]
    assert watched.counts["due"] == len(watched.samples) + not_taken


@pytest.mark.slow
def test_the_password_is_in_nothing_that_is_written(clip: Path) -> None:
    """A process of its own, so that what libav prints to file descriptor 2 is seen too."""
    script = textwrap.dedent(
        """
        import sys, threading, traceback
        from config.settings import CameraSettings
        from config.errors import StreamError
        from detector.capture.reader import CameraReader
        from detector.capture.source import open_stream

        class Silent:
            def __getattr__(self, name):
                return lambda *args: None

        for url in sys.stdin.read().split():
            camera = CameraSettings(name="gate", url=url, site="yard")
            done = threading.Event()
            reader = CameraReader(camera, lambda s: done.set(), lambda c: (
                print(c), c.reason and done.set()), Silent())
            reader.start()
            assert done.wait(30)
            reader.stop(1)
            print(camera, reader._camera.url)
            try:
                stream = open_stream(camera.url, camera.capture)
            except StreamError:
                traceback.print_exc()
            else:
                print(stream._video, stream.codec, next(stream.pictures(), None))
                stream.close()
        """
    )
    with RtspServer({"gate": clip}, "admin", PASSWORD) as server:
        good = server.url("gate")
        urls = [good, good.replace("/gate", "/nope"), good.replace("127.0.0.1", "no.invalid")]
        urls += [f"rtsp://admin:{PASSWORD}@127.0.0.1:{server.port}/gate", good.replace("a", "b", 1)]
        urls.append(good.replace(str(server.port), str(free_port())))
        done = subprocess.run(
            [sys.executable, "-c", script],
            input="\n".join(urls),
            capture_output=True,
            text=True,
            check=False,
        )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "LIVE" in said
    assert "UNAUTHORISED" in said
    assert " @ 0x" not in said  # libav's own log lines, which may hold whole URLs
    for secret in (PASSWORD, ENCODED, "ss:w/or", "or#d%"):
        assert secret not in said


@pytest.mark.slow
def test_stopping_does_not_wait_for_a_silent_camera() -> None:
    """Neither `stop` nor the end of the process waits for a connection that hangs."""
    script = textwrap.dedent(
        """
        import sys, threading
        from config.settings import CameraSettings, CaptureSettings
        from detector.capture.reader import CameraReader
        from detector.cli import leave

        called = threading.Event()
        class Observer:
            def connecting(self, camera):
                called.set()
        camera = CameraSettings(name="gate", url=sys.argv[1], site="yard",
                                capture=CaptureSettings(open_timeout_s=120))
        reader = CameraReader(camera, lambda s: None, lambda c: None, Observer())
        reader.start()
        assert called.wait(10)
        sys.stdin.readline()  # until the server has the connection
        reader.stop(1)
        left = any(thread.name == "capture-gate" for thread in threading.enumerate())
        print("stopped", left)
        leave(0)
        """
    )
    with SilentServer() as server:
        process = subprocess.Popen(
            [sys.executable, "-c", script, f"rtsp://127.0.0.1:{server.port}/x"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert server.connected.wait(20)
        said, complaints = process.communicate("go\n", timeout=30)  # open time-out: 120 s
    assert "stopped True" in said
    assert not complaints
    assert process.returncode == 0


def test_nothing_is_called_after_stop(watch: Callable, clip: Path) -> None:
    with RtspServer({"gate": clip}) as server:
        watched = watch(server.url("gate"))
        watched.wait(lambda w: len(w.samples) > 4)
        watched.reader.stop(1)
        seen = len(watched.samples), len(watched.states), watched.counts.copy()
        assert not any(thread.name == "capture-gate" for thread in threading.enumerate())
        server.kill()
    assert seen == (len(watched.samples), len(watched.states), watched.counts)


@pytest.mark.slow
def test_a_fault_in_a_callback_does_not_end_the_camera(watch: Callable, clip: Path) -> None:
    calls = []

    def stumble(sample: object) -> None:
        calls.append(sample)
        if len(calls) == 1:
            raise RuntimeError("a fault of ours")

    with RtspServer({"gate": clip}) as server:
        watched = watch(server.url("gate"), on_sample=stumble)
        watched.wait(lambda w: len(w.samples) > 4)
    assert watched.history[:4] == [CameraState.CONNECTING, LIVE, OFFLINE, LIVE]
    assert "internal error" in watched.states[2].reason
