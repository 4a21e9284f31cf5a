"""Hostile cameras of every kind beside good ones, which are watched as if they were alone."""

from __future__ import annotations

import os
import random
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from chaos.ledger import table
from chaos.sizes import LONG, STREAMS_S
from servers.daemon import DaemonProcess, wait_until
from servers.faults import BabblingServer, GarbageProxy, LeavingServer, SilentServer
from servers.ports import free_port
from servers.rtsp import Feed, RtspServer, make_clip

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

GOOD = ("good-1", "good-2")
SCORED_SHARE = 0.96 if LONG else 0.88
"""Of what is due at a good camera. 0.967 to 1.0 in six runs on two cores beside other work: all
that was lost was superseded, for the streams' servers and the daemon share the cores. In `make
test` they share them with another test."""

RTSP_HEAD = b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n"
HTTP_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\n\r\n"

CONFIG = """\
detection: {{second_look: off}}
capture: {{open_timeout_s: 3, read_timeout_s: 2, offline_grace_s: 300}}
cameras:
{cameras}
"""


def test_good_cameras_beside_hostile_ones_miss_nothing(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "walk.mp4")
    small = make_clip(tmp_path / "small.mp4", size=(320, 240), seconds=2)
    torn = tmp_path / "torn.mp4"
    torn.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    noise = tmp_path / "noise.h264"
    noise.write_bytes(os.urandom(2**20))
    pipe = tmp_path / "pipe.mp4"
    os.mkfifo(pipe)
    streams = {
        "a": clip,
        "b": clip,
        "resize": Feed((small, clip)),
        "silent": Feed((clip,), silent_after=50),
    }
    babble = random.Random(1)
    with ExitStack() as stack:
        enter = stack.enter_context
        server = enter(RtspServer(streams))
        locked = enter(RtspServer({"l": clip}, user="operator", password="a password"))
        dying = enter(RtspServer({"k": clip}))
        damaged = enter(GarbageProxy(server.port))
        damaged.damage.set()

        def said(what: bytes, pause_s: float = 0.0) -> int:
            return enter(BabblingServer(what, pause_s)).port

        hostile = {
            "mute": f"rtsp://127.0.0.1:{enter(SilentServer()).port}/x",
            "leaving": f"rtsp://127.0.0.1:{enter(LeavingServer()).port}/x",
            "noise": f"rtsp://127.0.0.1:{said(babble.randbytes(65536))}/x",
            "endless-head": f"rtsp://127.0.0.1:{said(RTSP_HEAD)}/x",
            "dripping": f"rtsp://127.0.0.1:{said(b'R', 0.5)}/x",
            "huge": f"rtsp://127.0.0.1:{said(RTSP_HEAD + b'Content-Length: 2000000000' * 2)}/x",
            "http-noise": f"http://127.0.0.1:{said(HTTP_HEAD + babble.randbytes(65536))}/x.mp4",
            "damaged": f"rtsp://127.0.0.1:{damaged.port}/b",
            "silent": server.url("silent"),
            "resize": server.url("resize"),
            "locked": f"rtsp://operator:wrong@127.0.0.1:{locked.port}/l",
            "no-path": f"rtsp://127.0.0.1:{server.port}/nothing-here",
            "absent": f"rtsp://127.0.0.1:{free_port()}/x",
            "dying": dying.url("k"),
            "torn": str(torn),
            "noise-file": str(noise),
            "pipe": str(pipe),
        }
        urls = {"good-1": server.url("a"), "good-2": server.url("b"), **hostile}
        cameras = "\n".join(f"  {name}: '{url}'" for name, url in urls.items())
        daemon = enter(DaemonProcess(tmp_path / "jikimi", CONFIG.format(cameras=cameras)))
        for name in GOOD:
            daemon.wait_state(name, "live")
        loading = "starting"  # until all is loaded one sample or another is late
        wait_until(lambda: daemon.health()["second_look"]["state"] != loading, "second look")
        wait_until((daemon.state_dir / "journal.sqlite").exists, "the journal")
        settled = {name: daemon.samples(name) for name in GOOD}
        threading.Event().wait(STREAMS_S / 2)
        dying.kill()
        threading.Event().wait(STREAMS_S / 2)
        shares = {name: daemon.scored_share(name, settled[name]) for name in GOOD}
        health = daemon.health()
        connects = {
            name: daemon.metric("jikimi_camera_connects_total", camera=name) for name in GOOD
        }
        daemon.stop(timeout_s=10)
    states = [
        {"camera": c["name"], "state": c["state"], "reason": c["reason"][:70]}
        for c in health["cameras"]
    ]
    print(f"\n{len(hostile)} hostile cameras beside {shares}\n{table(states)}")
    assert min(shares.values()) >= SCORED_SHARE
    assert set(connects.values()) == {1}
    assert {"mute", "leaving", "locked", "absent", "dying"} <= {
        c["name"] for c in health["cameras"] if c["state"] != "live"
    }
    assert "Traceback" not in daemon.log()
