"""Every query of the dashboards finds data after a real run, and is readable with many cameras.

Rough pictures of the dashboards go to the folder named by DASHBOARD_PICTURES, if there is one.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dashboards
import pytest
from dashboards import Period
from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server

from alerts.metrics import AlertMetrics
from config.errors import DeliveryError
from detector.daemon.observability.cluster_file import CLUSTER
from detector.daemon.observability.metrics import DetectorMetrics, WorkerMetrics
from detector.types import CameraState, Score
from servers.daemon import DaemonProcess, wait_until
from servers.faults import GarbageProxy
from servers.mqtt import PROTOCOL, MqttBroker, Tls
from servers.ports import free_port
from servers.prometheus import Prometheus, Series, needs
from servers.rtsp import RtspServer, make_clip

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(400)]

TOLD = {
    "box": "one",
    "boxes": {"works": 3, "draining": 0, "dead": 0},
    "unassigned": 0,
    "head_room": True,
    "load": 0.7,
    "targets": {},
}
"""What the box's host would have been told of its cluster by the coordinator."""

MANY = 200
MOST_SERIES = 25
"""More lines, bars or rows than this are no longer told apart."""

CONFIG = """
site: harbour
capture: {{open_timeout_s: 3, read_timeout_s: 2, offline_grace_s: 10}}
cameras:
  calm: pattern://calm
  scuffle: pattern://scuffle
  gate: {gate}
  wall: {wall}
  yard: {yard}
sinks:
  police:
    type: mqtt
    host: localhost
    port: {port}
    protocol: "{protocol}"
    tls: {{ca: {ca}}}
  siren:
    type: siren
    command: ["false"]
    expiry_s: 3
"""

Answers = dict[int, list[list[Series]]]


@dataclass
class Run:
    """What Prometheus remembers of a run."""

    prometheus: Prometheus
    period: Period

    def ask(
        self, board: dict[str, Any], **chosen: list[str]
    ) -> tuple[dict[str, list[str]], Answers]:
        """The values of the dashboard's variables, and the answers to its panels by their ids.

        `chosen`: values of variables instead of all.
        """
        values = dashboards.variables(board, self.prometheus, self.period) | chosen
        return values, {
            panel["id"]: [
                dashboards.answer(target, values, self.period, self.prometheus)
                for target in panel["targets"]
            ]
            for panel in dashboards.panels(board)
        }


@pytest.fixture(scope="module")
def real_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Two incidents, an exercise, a camera lost, damaged, asleep; broker away, silent siren."""
    needs("prometheus")
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("real")
    (folder / "broker").mkdir()
    tls = Tls.make(folder)
    clip = make_clip(folder / "walk.mp4")
    wall = make_clip(folder / "wall.mp4", rest_s=12, seconds=2)
    with ExitStack() as stack:
        gate = stack.enter_context(RtspServer({"gate": clip}))
        yard = stack.enter_context(RtspServer({"yard": clip}))
        idle = stack.enter_context(RtspServer({"wall": wall}))
        proxy = stack.enter_context(GarbageProxy(yard.port))
        broker = stack.enter_context(MqttBroker(folder / "broker", tls=tls))
        config = CONFIG.format(
            gate=gate.url("gate"),
            yard=yard.url("yard").replace(f":{yard.port}/", f":{proxy.port}/"),
            wall=idle.url("wall"),
            port=broker.port,
            protocol=PROTOCOL,
            ca=tls.ca,
        )
        daemon = stack.enter_context(DaemonProcess(folder / "jikimi", config))
        (daemon.state_dir / CLUSTER).write_text(json.dumps(TOLD | {"at_s": time.monotonic() + 1e6}))
        prometheus = stack.enter_context(Prometheus(folder, [daemon.port]))
        wait_until(lambda: prometheus.instant("up == 1"), "the first scrape")
        start_s = time.time()
        # the siren of this run cannot work
        assert daemon.jikimi("drill", "--camera", "calm").returncode == DeliveryError.exit_code

        def incidents() -> float:
            return daemon.metric("jikimi_incidents_total", camera="scuffle")

        wait_until(lambda: incidents() >= 1, "an incident", 100)
        wait_until(lambda: daemon.metric("jikimi_wakes_total", camera="wall"), "a camera to wake")
        proxy.damage.set()
        gate.kill()
        broker.stop()
        wait_until(lambda: daemon.camera("gate")["lost"], "the camera to be lost")
        proxy.damage.clear()
        broker.start()
        wait_until(lambda: incidents() >= 2, "a second incident", 100)
        wait_until(
            lambda: not daemon.metric("jikimi_incidents_open", camera="scuffle"), "its end", 60
        )
        [newest, *_] = daemon.jikimi("incidents", "--json").stdout.splitlines()
        judged = daemon.jikimi("incidents", "judge", json.loads(newest)["id"], "real")
        assert judged.returncode == 0, judged.stderr
        wait_until(lambda: "JikimiCameraLost" in prometheus.firing(), "an alert")
        judged_at = 'jikimi_incidents_judged_total{verdict="real"} == 1'
        wait_until(lambda: prometheus.instant(judged_at), "the verdict to be scraped")
        yield Run(prometheus, Period(start_s, time.time()))


@pytest.fixture(scope="module")
def many_cameras(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """The daemon's own collectors with 200 cameras on four sites, moved by chance for 40 s."""
    needs("prometheus")
    folder = tmp_path_factory.mktemp("many")
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    city = City(registry)
    port = free_port()
    server, _ = start_http_server(port, "127.0.0.1", registry)
    # to render 20,000 samples takes half a second, and several on a busy machine
    with Prometheus(folder, [port], scrape_s=3) as prometheus:
        start_s = time.time()

        def a_while() -> bool:
            city.go_on(time.time() - start_s)
            return time.time() - start_s > 40

        wait_until(a_while, "the city to live a while", 300)
        server.shutdown()
        server.server_close()
        yield Run(prometheus, Period(start_s, time.time()))


class City:
    """200 cameras: most calm, some lively, a few fights, some out of order."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.chance = random.Random(1)
        self.metrics = DetectorMetrics(registry)
        self.worker = WorkerMetrics(self.metrics)
        self.alerts = AlertMetrics(registry)
        self.metrics.build.labels("0.1.0", "violence", "litert").set(1)
        self.metrics.disk_free.set(4e11)
        self.cameras = {f"cam-{i:03}": f"site-{i % 4}" for i in range(MANY)}
        for name, site in self.cameras.items():
            self.metrics.add_camera(name, site, ["violence"])
            self.metrics.show_state(name, site, CameraState.LIVE)
            learnt = {"hours": 90.0, "share": 0.79, "false_alarms_per_day": 1.2}
            self.metrics.show_calibration(
                name, "violence", {"open_threshold": 0.63, "learning": True, **learnt}
            )
            self.metrics.connects.labels(name).inc()
        for sink in ("police-north", "police-south", "siren-4", "floodlight-4"):
            self.alerts.add_sink(sink, lambda: 0.0, lambda: 0.0, lambda: 0.0, lambda: False)
            self.alerts.show_expiry(sink, lambda: time.time() + 50 * 86_400)

    def go_on(self, at_s: float) -> None:
        """A tenth of a second of life."""
        chance, metrics, utc = self.chance, self.metrics, datetime.now(UTC)
        for number, (name, site) in enumerate(self.cameras.items()):
            if number % 23 == 7 and at_s > number % 17:
                states = (CameraState.OFFLINE, CameraState.STALLED, CameraState.UNAUTHORISED)
                metrics.show_state(name, site, states[number % 3])
                metrics.camera_lost.labels(name).set(at_s > 30)
                continue
            metrics.frames.labels(name).inc(2.5)
            metrics.packets.labels(name).inc(2.5)
            metrics.bytes.labels(name).inc(6000)
            metrics.due.labels(name).inc()
            if chance.random() < 0.01 and number % 9 == 0:
                self.worker.dropped(name, "late")
                continue
            self.worker.scored(name, chance.expovariate(12))
            fighting = number % 29 == 3 and 12 < at_s % 40 < 18
            score = min(1.0, chance.betavariate(8, 3) if fighting else chance.betavariate(1, 14))
            metrics.observe_score(Score(name, 0.0, utc, "violence", score, score))
            if fighting and chance.random() < 0.02:
                metrics.incidents.labels(name, "violence").inc()
                self.alerts.count("police-north", "delivered")
                self.alerts.seconds.labels("police-north").observe(chance.expovariate(20))
        self.worker.batch(chance.randint(1, 40), chance.expovariate(60))


@pytest.mark.parametrize("path", dashboards.FILES, ids=lambda path: path.stem)
def test_every_query_gives_data_after_a_real_run(path: Path, real_run: Run) -> None:
    board = dashboards.load(path)
    values, answers = real_run.ask(board)
    assert values["site"] == ["harbour"]
    assert values["camera"] == ["calm", "gate", "scuffle", "wall", "yard"]
    draw(path, board, answers, real_run, "real")
    assert not [
        f"{panel['title']}: {target['expr']}"
        for panel in dashboards.panels(board)
        for target, found in zip(panel["targets"], answers[panel["id"]], strict=True)
        if not found
    ]
    for annotation in board["annotations"]["list"]:
        if "expr" in annotation and annotation["name"] != "Starts of the daemon":
            query = dashboards.fill(annotation["expr"], values, real_run.period)
            found = real_run.prometheus.range(
                query, real_run.period.start_s, real_run.period.end_s, 5
            )
            assert found, annotation["name"]


def test_the_figures_are_those_of_the_daemon(real_run: Run) -> None:
    board = dashboards.load(dashboards.FOLDER / "jikimi-detections.json")
    _, answers = real_run.ask(board)
    shown = {panel["title"]: answers[panel["id"]][0] for panel in dashboards.panels(board)}

    def last(title: str) -> dict[tuple[str, ...], float]:
        return {tuple(s.labels.values()): s.values[-1][1] for s in shown[title]}

    assert last("Incidents, last 15 minutes") == {(): 2.0}
    assert last("Incidents by camera") == {("scuffle",): 2.0}
    assert last("Exercises, last 24 hours") == {(): 1.0}
    assert last("Cameras not watched") == {(): 1.0}
    assert last("Precision by verdict") == {(): 1.0}
    [row] = shown["Incidents of the last 15 minutes"]
    assert row.labels == {"camera": "scuffle", "label": "violence", "site": "harbour"}


@pytest.mark.parametrize("path", dashboards.FILES, ids=lambda path: path.stem)
def test_two_hundred_cameras_stay_readable(path: Path, many_cameras: Run) -> None:
    board = dashboards.load(path)
    values, answers = many_cameras.ask(board)
    assert len(values["camera"]) == MANY
    draw(path, board, answers, many_cameras, "many")
    for panel in dashboards.panels(board):
        if panel["type"] != "table":  # a table is sorted, and scrolls
            assert sum(map(len, answers[panel["id"]])) <= MOST_SERIES, panel["title"]


def test_another_box_shows_nothing_of_this_one(many_cameras: Run) -> None:
    board = dashboards.load(dashboards.FOLDER / "jikimi-health.json")
    _, answers = many_cameras.ask(board, box=["other"])
    ours = {panel["title"] for panel in dashboards.panels(board) if any(answers[panel["id"]])}
    assert ours <= {"Alerts", "Alerts firing"}


def draw(path: Path, board: dict[str, Any], answers: Answers, run: Run, name: str) -> None:
    """A picture for a person to look at, where one is asked for: with 200 cameras it takes long."""
    if folder := os.environ.get("DASHBOARD_PICTURES"):
        import dashboard_pictures  # loads matplotlib, a second

        picture = Path(folder) / f"{path.stem}-{name}.png"
        dashboard_pictures.draw(board, answers, run.period, picture)
