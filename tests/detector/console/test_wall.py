"""The wall and a camera's page, over a whole daemon with rendered cameras."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest
from console.wall_monitor import ADMIN, PUBLIC_URL, Browsed, ManyCameras, RunningDaemon, wait_for

from config.errors import ControlError
from detector.console.access.user import Role, User
from detector.console.monitor import Zones
from detector.console.words import cameras as words
from detector.inference.weights import Classifier

LEFT = [[0.0, 0.0], [0.5, 0.0], [0.5, 1.0], [0.0, 1.0]]
WHOLE = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]

VIEWER = User("lee", Role.VIEWER)
CHIEF = User("choi", Role.ADMIN, lambda name: name == "gate")
GUARD = User("park", Role.OPERATOR, lambda name: name == "gate")


@pytest.fixture(scope="module")
def daemon(
    classifier: Classifier, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningDaemon]:
    urls = {"gate": "pattern://calm", "yard": "pattern://calm"}
    folder = tmp_path_factory.mktemp("daemon")
    with RunningDaemon(folder, classifier, urls, open_threshold=1.0) as running:
        wait_for(lambda: sum(bool(view.picture) for view in running.monitor.cameras()) == 2)
        yield running


@pytest.fixture(scope="module")
def many() -> Iterator[ManyCameras]:
    """Two cameras without a daemon."""
    cameras = ManyCameras(["gate", "yard"])
    yield cameras
    cameras.close()


def client(daemon: Browsed, user: User = ADMIN) -> httpx.Client:
    return daemon.client(user)


def tile(daemon: RunningDaemon, name: str = "gate") -> dict[str, Any]:
    tiles = client(daemon).get("/wall/state.json").json()["cameras"]
    return next(one for one in tiles if one["name"] == name)


@pytest.mark.parametrize(("side", "size"), [("320", (180, 320)), ("640", (360, 640))])
def test_a_picture_comes_in_the_size_asked_for_and_once(
    many: ManyCameras, side: str, size: tuple[int, int]
) -> None:
    console = client(many)
    answer = console.get(f"/camera/gate/picture.jpg?side={side}")
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    picture = cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    assert picture.shape[:2] == size
    age = datetime.now(UTC) - datetime.fromisoformat(answer.headers["x-taken-at"])
    assert timedelta(0) < age < timedelta(seconds=20)


@pytest.mark.slow
def test_a_picture_that_the_page_has_is_not_sent_again(daemon: RunningDaemon) -> None:
    console = client(daemon)
    for _ in range(5):  # a newer one may have come in between
        first = console.get("/camera/gate/picture.jpg")
        known = {"If-None-Match": first.headers["etag"]}
        again = console.get("/camera/gate/picture.jpg", headers=known)
        other = console.get("/camera/gate/picture.jpg?side=640", headers=known)
        assert other.status_code == 200
        if again.status_code == 304:
            break
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.slow
def test_what_a_camera_has_never_shown_is_asked_for_later(
    classifier: Classifier, tmp_path: Path
) -> None:
    urls = {"gate": "rtsp://127.0.0.1:9/none"}
    with RunningDaemon(tmp_path, classifier, urls) as running:
        wait_for(running.monitor.cameras)
        answer = client(running).get("/camera/gate/picture.jpg")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
        page = client(running).get("/wall").text
    assert "no picture yet" in page
    assert 'data-look="trouble"' in page


def test_an_account_sees_its_own_cameras_and_no_trace_of_others(many: ManyCameras) -> None:
    guard = client(many, GUARD)
    page = guard.get("/wall").text
    assert "gate" in page
    assert "yard" not in page.replace('data-site="yard"', "")
    assert [one["name"] for one in guard.get("/wall/state.json").json()["cameras"]] == ["gate"]
    chief = client(many, CHIEF)
    for path in ("", "/picture.jpg", "/state.json", "/figures", "/zones"):
        for name in ("yard", "nowhere"):
            assert chief.get(f"/camera/{name}{path}").status_code == 404
    for path in ("/mute?minutes=10", "/drill", "/recalibrate"):
        assert guard.post(f"/camera/yard{path}").status_code == 404
    zones = {"watch": [LEFT], "ignore": []}
    for path in ("/zones", "/zones/preview", "/zones/remove"):
        assert chief.post(f"/camera/yard{path}", json=zones).status_code == 404
        assert guard.post(f"/camera/gate{path}", json=zones).status_code == 403
    assert not many.monitor.zones("yard").drawn


@pytest.mark.slow
def test_a_mute_counts_down_and_is_ended(daemon: RunningDaemon) -> None:
    console = client(daemon)
    assert tile(daemon)["muted"] == ""
    assert console.post("/camera/gate/mute?minutes=10").status_code == 303
    assert re.fullmatch(r"muted (9:\d\d|10:00)", tile(daemon)["muted"])
    assert tile(daemon, "yard")["muted"] == ""
    assert console.post("/camera/gate/unmute").status_code == 303
    assert tile(daemon)["muted"] == ""
    assert console.post("/camera/gate/mute?minutes=999999").status_code == 400


@pytest.mark.slow
def test_a_drill_shows_what_became_of_it_at_each_sink(daemon: RunningDaemon) -> None:
    console = client(daemon)
    sent = console.post("/camera/gate/drill")
    assert sent.status_code == 303
    incident = sent.headers["location"].partition("drill=")[2].partition("#")[0]
    url = f"/camera/gate/drill/{incident}"
    wait_for(lambda: "delivered in" in console.get(url).text)
    assert "desk" in console.get(f"/camera/gate?drill={incident}").text
    assert console.get("/camera/gate?drill=nonsense").status_code == 404
    [told, over] = (daemon.settings.state_dir.parent / "alerts.jsonl").read_text().splitlines()[-2:]
    link = json.loads(told)["links"]["console"]
    assert json.loads(over)["links"]["console"] == link
    assert link.startswith(PUBLIC_URL)
    assert "desk" in console.get(link.removeprefix(PUBLIC_URL)).text


@pytest.mark.slow
def test_what_is_refused_is_said_on_the_page(daemon: RunningDaemon) -> None:
    answer = client(daemon).post("/camera/gate/recalibrate")
    assert answer.status_code == 409
    assert "learns nothing, for its open_threshold is stated" in answer.text


def test_a_viewer_is_shown_no_buttons(many: ManyCameras) -> None:
    page = client(many, VIEWER).get("/camera/gate").text
    assert "formaction" not in page
    assert "/zones" not in page


@pytest.mark.slow
def test_the_page_says_what_the_counters_and_the_threshold_say(daemon: RunningDaemon) -> None:
    wait_for(lambda: daemon.monitor.figures("gate").samples_scored > 3)
    page = client(daemon).get("/camera/gate/figures").text
    assert "stated in the configuration" in page
    scored = re.search(r"([\d,]+) of ([\d,]+) due", page)
    assert scored
    assert 0 < int(scored[1].replace(",", "")) <= int(scored[2].replace(",", ""))
    counted = daemon.monitor.figures("gate")
    assert counted.connects == daemon.metric("jikimi_camera_connects_total", "gate") == 1
    bins = counted.scores["violence"]
    assert bins[-1].at_most == 1.0
    assert sum(each.count for each in bins) > 3


def test_zones_are_previewed_as_the_motion_view_has_them(many: ManyCameras) -> None:
    answer = client(many).post("/camera/gate/zones/preview", json={"watch": [LEFT]}).json()
    assert answer["share"] == pytest.approx(0.5, abs=0.01)
    assert answer["mask"].startswith("data:image/png;base64,")
    assert "  watch:\n    - [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]\n  ignore: []" in answer["yaml"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 422),
        (b'{"watch": [[[0, 0], [1, 1]]]}', 422),
        (b'{"watch": [[[0, 0], [1, 1], [2, 0]]]}', 422),
        (b'{"watch": [], "more": 1}', 422),
        (b" " * 300_000, 413),
    ],
)
def test_what_are_no_zones_is_refused(many: ManyCameras, body: bytes, status: int) -> None:
    before = many.monitor.zones("gate")
    answer = client(many).post("/camera/gate/zones", content=body)
    assert answer.status_code == status
    assert many.monitor.zones("gate") == before


@pytest.mark.slow
def test_zones_take_effect_at_once_on_their_camera_alone_and_can_be_taken_back(
    daemon: RunningDaemon,
) -> None:
    console = client(daemon)
    blinded = console.post("/camera/gate/zones", json={"ignore": [WHOLE]})
    assert blinded.status_code == 409
    assert "leave nothing" in blinded.json()["error"]
    other = daemon.daemon._cameras.by_name("yard")
    assert "In force: the configuration" in console.get("/camera/gate/zones").text
    saved = console.post("/camera/gate/zones", json={"watch": [LEFT], "ignore": []})
    assert saved.json() == {"saved": True}
    gate = daemon.daemon._cameras.by_name("gate")
    assert np.allclose(gate.camera.detection.watch, [LEFT])
    assert daemon.daemon._cameras.by_name("yard") is other
    assert [view["name"] for view in console.get("/wall/state.json").json()["cameras"]] == [
        "gate",
        "yard",
    ]
    assert daemon.daemon.status.full()["drawn_zones"] == ["gate"]
    page = console.get("/camera/gate/zones").text
    assert "drawn in the console" in page
    daemon.daemon._settings.reload()
    assert daemon.daemon._cameras.by_name("gate") is gate
    assert console.post("/camera/gate/zones/remove").status_code == 303
    assert daemon.monitor.zones("gate") == Zones()
    assert (daemon.settings.state_dir / "zones.json").exists()
    with pytest.raises(ControlError):
        daemon.monitor.set_zones("nowhere", Zones(), "kim")


@pytest.mark.slow
@pytest.mark.slow
def test_an_open_incident_is_closed_by_new_zones_with_the_reason(
    classifier: Classifier, tmp_path: Path
) -> None:
    scuffle = {"gate": "pattern://scuffle"}
    with RunningDaemon(tmp_path, classifier, scuffle, evidence=False) as running:
        wait_for(lambda: any(view.open_incidents for view in running.monitor.cameras()), 90)
        assert tile(running)["look"] == "incident"
        client(running).post("/camera/gate/zones", json={"watch": [LEFT], "ignore": []})
        wait_for(lambda: (tmp_path / "alerts.jsonl").read_text().count('"closed"'))
        sent = [json.loads(line) for line in (tmp_path / "alerts.jsonl").read_text().splitlines()]
    assert [one["reason"] for one in sent if one["phase"] == "closed"] == ["zones changed"]


def test_every_word_is_said_in_both_languages(many: ManyCameras) -> None:
    console = client(many)
    for path in ("/wall", "/camera/gate", "/camera/gate/zones"):
        korean = console.get(path, headers={"accept-language": "ko"}).text
        assert '<html lang="ko">' in korean
        for key, (english, _) in words.WORDS.items():
            if key.startswith(("camera.zones_", "camera.filter_")) and "{" not in english:
                assert f">{english}<" not in korean, key
    for english, korean in words.WORDS.values():
        assert set(re.findall(r"{\w+}", english)) == set(re.findall(r"{\w+}", korean))


@pytest.mark.parametrize("path", ["/wall", "/camera/gate", "/camera/gate/zones"])
def test_no_page_has_script_or_style_of_its_own(many: ManyCameras, path: str) -> None:
    page = client(many).get(path).text
    assert not re.search(r"\sstyle=|<style|<script(?![^>]*\ssrc=)|\son\w+=", page)
