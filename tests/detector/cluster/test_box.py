"""A box whose cluster is lost goes on watching what it had."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from config.errors import ControlError
from detector.cluster.assignment import DEAD_AFTER_S
from detector.cluster.box import Box, BoxOptions
from detector.daemon.handover.claims import CLAIMS, Claims
from detector.daemon.observability.cluster_file import CLUSTER as CLUSTER_FILE
from detector.daemon.observability.cluster_file import ClusterFile
from detector.daemon.operators.cluster import cluster_view
from detector.daemon.operators.control import ask
from servers.daemon import wait_until

CITY = """\
cameras:
  calm: pattern://calm
  scuffle: pattern://scuffle
sinks:
  out: {type: log}
evidence: off
http: {port: 0}
log: {format: json}
"""

LINK = """\
import json, sys
from pathlib import Path
folder = Path(sys.argv[1])
with (folder / "starts").open("a") as starts:
    starts.write("x")
for line in sys.stdin:
    (folder / "unfinished.json").write_text(line)
    (folder / "unfinished.json").replace(folder / "report.json")
    answer = folder / "answer.json"
    if not answer.exists():
        sys.exit(1)
    print(answer.read_text(), flush=True)
"""
"""Stands for the link: says what a file says, and ends like one that lost Ray without that."""


CLUSTER = {
    "boxes": {"works": 1, "draining": 0, "dead": 1},
    "unassigned": 0,
    "head_room": True,
    "load": 0.1,
    "targets": {},
}


WATCHING: dict[str, Any] = {
    "boxes": [
        {
            "name": "b",
            "state": "dead",
            "for_s": 9.0,
            "sites": [],
            "load": 0.0,
            "live": {},
            "not_live": {},
        }
    ],
    "unwatched": [],
    "loss": {"may_die": True, "box": None, "load": 0.0, "unwatched": {}},
}


def metrics(url: str) -> str:
    with urlopen(f"{url}/metrics", timeout=5) as answer:
        found: bytes = answer.read()
        return found.decode()


class Played:
    """A box with a link that is only played."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state_dir = folder / "state"
        script = folder / "link.py"
        script.write_text(LINK)
        link = (sys.executable, str(script), str(folder))
        self.stop = threading.Event()
        self.config = folder / "city.yaml"
        sites = frozenset({"north"})
        options = BoxOptions("a", self.state_dir, 2000, sites, link, None, self.config)
        self.box = Box(options)
        self._thread = threading.Thread(target=self.box.run, args=(self.stop,))

    def start(self) -> None:
        self._thread.start()

    def answer(self, **more: Any) -> None:
        unfinished = self.folder / "unfinished"
        unfinished.write_text(json.dumps(more))
        unfinished.replace(self.folder / "answer.json")

    def report(self) -> dict[str, Any]:
        with suppress(OSError, ValueError):
            found: dict[str, Any] = json.loads((self.folder / "report.json").read_text())
            return found
        return {}

    def starts(self) -> int:
        """How often the link was started."""
        with suppress(OSError):
            return len((self.folder / "starts").read_text())
        return 0

    def status(self) -> dict[str, Any]:
        with suppress(ControlError):
            found: dict[str, Any] = ask(self.state_dir / "control.sock", "status")
            return found
        return {}

    def watched(self) -> set[str]:
        return {one["name"] for one in self.status().get("cameras", ()) if one["state"] == "live"}

    def end(self) -> None:
        self.stop.set()
        self._thread.join(60)
        assert not self._thread.is_alive()


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Played]:
    made = Played(tmp_path)
    made.start()
    yield made
    made.end()


@pytest.mark.slow
def test_a_box_that_loses_its_cluster_goes_on_and_takes_its_share_once_it_is_back(
    box: Played,
) -> None:
    wait_until(lambda: box.starts() > 1, "the link to be tried again")
    assert box.report()["report"]["sites"] == ["north"]
    configuration = {"text": CITY, "version": 7}
    box.answer(share={"calm": 3}, configuration=configuration)
    wait_until(lambda: box.watched() == {"calm"}, "the camera", 90)
    wait_until(lambda: box.report()["report"]["live"] == ["calm"], "the report of it")
    assert box.report()["version"] == 7
    assert box.report()["report"]["held"] == {"calm": 3}
    began = box.status()["started_at"]
    (box.folder / "answer.json").unlink()
    starts = box.starts()
    wait_until(lambda: box.starts() > starts + 1, "its cluster lost")
    assert box.watched() == {"calm"}
    box.answer(share=None, send=True)  # a coordinator that has forgotten all
    wait_until(lambda: box.report().get("configuration") == configuration, "the configuration")
    assert box.watched() == {"calm"}
    box.answer(share={"scuffle": 4}, cluster=CLUSTER, watching=WATCHING)
    wait_until(lambda: box.watched() == {"scuffle"}, "the new share", 90)
    assert box.status()["started_at"] == began
    url = box.status()["url"]
    assert url.endswith(f":{box.report()['report']['port']}")
    wait_until(lambda: 'jikimi_cluster_boxes{state="dead"} 1.0' in metrics(url), "the metrics")
    view = cluster_view(ClusterFile(box.state_dir / CLUSTER_FILE).read())
    assert view
    assert (view.box, [one.name for one in view.boxes]) == ("a", ["b"])
    assert not view.cut_off
    assert Claims(box.state_dir / CLAIMS).elsewhere == {"calm"}
    box.end()
    assert box.status() == {}
    assert Claims(box.state_dir / CLAIMS).elsewhere == {"calm"}


@pytest.mark.slow
def test_a_box_that_ends_while_it_is_cut_off_leaves_its_cameras_as_the_others_show_them(
    box: Played,
) -> None:
    box.answer(share={"calm": 3}, configuration={"text": CITY, "version": 7})
    wait_until(lambda: box.watched() == {"calm"}, "the camera", 90)
    (box.folder / "answer.json").unlink()
    wait_until(lambda: time.monotonic() - box.box._heard_s > DEAD_AFTER_S, "silence")
    box.end()
    assert Claims(box.state_dir / CLAIMS).elsewhere == {"calm", "scuffle"}


def test_the_first_box_hands_a_changed_configuration_to_the_cluster(box: Played) -> None:
    box.answer(share={}, configuration={"text": CITY, "version": 7})
    wait_until(lambda: box.report().get("version") == 7, "the first configuration")
    box.config.write_text("cameras: {gate: 'what://'}")
    box.box.reload.set()
    wait_until(lambda: not box.box.reload.is_set(), "the wrong file to be read")
    changed = CITY.replace("scuffle: pattern", "gate: pattern")
    box.config.write_text(changed)
    box.box.reload.set()
    told = wait_until(lambda: box.report().get("configuration"), "the configuration to be sent")
    assert told["text"] == changed
    assert told["version"] > 7
