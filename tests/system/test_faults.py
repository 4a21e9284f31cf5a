"""One daemon, two good cameras, and beside them every kind of bad one at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from servers.daemon import DaemonProcess, wait_until
from servers.faults import GarbageProxy, SilentServer
from servers.ports import free_port
from servers.rtsp import Feed, RtspServer, make_clip

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

PASSWORD = "p@ss:w/or#d%"
GOOD = ("good-1", "good-2")
SCORED_SHARE = 0.85
"""Of what is due at a good camera: 0.92 at the least beside another test on two cores, 0.98 alone.
One that waited for a bad camera's time-outs would have half of it."""

CONFIG = """
capture: {{open_timeout_s: 3, read_timeout_s: 2, offline_grace_s: 300}}
cameras:
{cameras}
"""


@dataclass
class Town:
    """The daemon and the servers its cameras hang on."""

    daemon: DaemonProcess
    killed: RtspServer
    proxy: GarbageProxy
    absent: RtspServer
    settled: dict[str, tuple[float, float]]
    """Samples of the good cameras once all is loaded: until then one or the other is late."""

    def others_are_unharmed(self) -> None:
        """The good cameras never left, and score what is due."""
        for name in GOOD:
            assert self.daemon.camera(name)["state"] == "live"
            assert self.daemon.metric("jikimi_camera_connects_total", camera=name) == 1
            assert self.daemon.scored_share(name, self.settled[name]) >= SCORED_SHARE


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory, walk_clip: Path) -> Iterator[Town]:
    folder = tmp_path_factory.mktemp("faults")
    small = make_clip(folder / "small.mp4", size=(320, 240), seconds=3)
    large = make_clip(folder / "large.mp4", size=(640, 480), seconds=3)
    absent = RtspServer({"late": walk_clip}, port=free_port())
    streams = {
        "a": walk_clip,
        "b": walk_clip,
        "resize": Feed((small, large)),
        "silent": Feed((walk_clip,), silent_after=50),
    }
    with (
        RtspServer(streams) as server,
        RtspServer({"k": walk_clip}) as killed,
        RtspServer({"l": walk_clip}, user="operator", password=PASSWORD) as locked,
        SilentServer() as mute,
        GarbageProxy(server.port) as proxy,
    ):
        urls = {
            "good-1": server.url("a"),
            "good-2": server.url("b"),
            "killed": killed.url("k"),
            "mute": f"rtsp://127.0.0.1:{mute.port}/x",
            "falls-silent": server.url("silent"),
            "locked": f"rtsp://operator:wrong{PASSWORD}@127.0.0.1:{locked.port}/l",
            "unlocked": f"rtsp://operator:{PASSWORD}@127.0.0.1:{locked.port}/l",
            "garbage": f"rtsp://127.0.0.1:{proxy.port}/b",
            "resize": server.url("resize"),
            "absent": absent.url("late"),
        }
        cameras = "\n".join(f"  {name}: '{url}'" for name, url in urls.items())
        with DaemonProcess(folder / "jikimi", CONFIG.format(cameras=cameras)) as daemon:
            for name in GOOD:
                daemon.wait_state(name, "live")
            loading = "starting"
            wait_until(lambda: daemon.health()["second_look"]["state"] != loading, "second look")
            wait_until((daemon.state_dir / "journal.sqlite").exists, "the journal")
            settled = {name: daemon.samples(name) for name in GOOD}
            yield Town(daemon, killed, proxy, absent, settled)
    absent.__exit__()


def test_a_server_that_was_killed_is_watched_again_six_seconds_after_it_is_back(town: Town) -> None:
    town.daemon.wait_state("killed", "live")
    town.killed.kill()
    wait_until(lambda: town.daemon.camera("killed")["state"] != "live", "the loss to show")
    town.killed.start()
    town.daemon.wait_state("killed", "live", timeout_s=6)
    town.others_are_unharmed()


def test_a_server_that_accepts_and_says_nothing_is_not_live(town: Town) -> None:
    wait_until(
        lambda: town.daemon.camera("mute")["state"] in {"stalled", "offline"}, "mute to be noticed"
    )
    assert town.daemon.camera("mute")["reason"]
    town.others_are_unharmed()


def test_a_stream_that_falls_silent_is_stalled(town: Town) -> None:
    wait_until(lambda: "stalled" in _states(town, "falls-silent"), "falls-silent to stall")
    town.others_are_unharmed()


def test_a_wrong_password_is_named_and_not_tried_again_soon(town: Town) -> None:
    town.daemon.wait_state("locked", "unauthorised")
    town.daemon.wait_state("unlocked", "live")
    assert "password" in town.daemon.camera("locked")["reason"]
    assert town.daemon.metric("jikimi_camera_connects_total", camera="locked") == 1
    assert PASSWORD not in town.daemon.log()
    town.others_are_unharmed()


def test_garbage_in_the_pictures_is_survived(town: Town) -> None:
    town.daemon.wait_state("garbage", "live")
    town.proxy.damage.set()
    wait_until(
        lambda: (
            town.daemon.metric("jikimi_decode_errors_total", camera="garbage") > 0
            or town.daemon.camera("garbage")["state"] != "live"
        ),
        "the damage to show",
    )
    town.proxy.damage.clear()
    town.daemon.wait_state("garbage", "live")
    scored = town.daemon.metric("jikimi_samples_scored_total", camera="garbage")
    wait_until(
        lambda: town.daemon.metric("jikimi_samples_scored_total", camera="garbage") > scored + 16,
        "scores after the damage",
    )
    town.others_are_unharmed()


def test_a_change_of_resolution_is_survived(town: Town) -> None:
    """Both sizes play every six seconds: scores go on past several changes."""
    town.daemon.wait_state("resize", "live")
    wait_until(
        lambda: town.daemon.metric("jikimi_samples_scored_total", camera="resize") > 100,
        "scores over changes of size",
        60,
    )
    town.others_are_unharmed()


def test_a_camera_absent_at_start_is_watched_once_it_comes(town: Town) -> None:
    town.daemon.wait_state("absent", "offline")
    town.absent.__enter__()
    # It was never live, so attempts are up to a minute apart.
    town.daemon.wait_state("absent", "live", timeout_s=70)
    town.others_are_unharmed()


def test_it_stops_within_five_seconds_whatever_its_cameras_do(town: Town) -> None:
    town.daemon.stop(timeout_s=5)
    assert "Traceback" not in town.daemon.log()


def _states(town: Town, camera: str) -> list[str]:
    import json

    lines = [json.loads(x) for x in town.daemon.log().splitlines() if x.startswith("{")]
    return [x["state"] for x in lines if x["event"] == "camera state" and x["camera"] == camera]
