"""Three boxes on this machine: one is killed, its cameras are live on the others."""

from __future__ import annotations

import json
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from servers.cluster import Cluster
from servers.daemon import wait_until
from servers.rtsp import RtspServer, make_clip

pytestmark = [
    pytest.mark.slow,
    pytest.mark.long,
    pytest.mark.timeout(600),
    pytest.mark.skipif(find_spec("ray") is None, reason="needs Ray: pip install 'jikimi[cluster]'"),
]

CAMERAS = [f"c{n}" for n in range(6)]


def config(server: RtspServer) -> str:
    cameras = "".join(f"  {name}: {server.url(name)}\n" for name in CAMERAS)
    return f"cameras:\n{cameras}evidence: off\nlog:\n  format: json\n"


def test_the_cameras_of_a_box_that_is_killed_are_live_on_the_others(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", size=(320, 180), fps=10, gop=10)
    with (
        RtspServer(dict.fromkeys(CAMERAS, clip)) as server,
        Cluster(tmp_path, config(server)) as cluster,
    ):
        wait_until(lambda: cluster.watched().keys() == {*CAMERAS}, "the head to watch all", 180)
        victim = cluster.join("b1")
        cluster.join("b2")
        wait_until(
            lambda: set().union(*cluster.watched().values()) == {"head", "b1", "b2"}, "shares", 240
        )
        cluster.wait_watched({*CAMERAS})
        shown = json.loads(cluster.command("status", "--json").stdout)
        assert [box["name"] for box in shown["boxes"]] == ["b1", "b2", "head"]
        orphans = victim.live()
        assert orphans
        victim.kill()
        killed_s = time.monotonic()
        cluster.wait_watched({*CAMERAS})
        print(
            f"{len(orphans)} of {len(CAMERAS)} cameras were unwatched for "
            f"{time.monotonic() - killed_s:.1f} s"
        )
        shown = json.loads(cluster.command("status", "--json").stdout)
        assert {one["box"] for one in shown["cameras"].values()} == {"head", "b2"}
        assert not next(box for box in shown["boxes"] if box["name"] == "b1")["alive"]
