"""Footage, streams and servers for the tests that drive the whole daemon."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from servers.mqtt import MqttBroker
from servers.rtsp import Feed, make_clip

DATA = Path(__file__).parents[3] / "shared/data"

FIGHT_SCENE = "yt_gZDH9kWucNM"
"""A scene of surv_fight with enough clips of both kinds, all of one size."""

CALM_SCENES = ("vioperu_317", "vioperu_320", "vioperu_321")
"""Scenes whose normal clips, one after the other, peak at 0.24 to 0.27, far from an incident."""


@pytest.fixture(scope="session")
def clips() -> Callable[[str, str], list[Path]]:
    """Clips of a scene with a label, from the shared footage."""
    manifest = DATA / "manifest.csv"
    if not manifest.exists():
        pytest.skip("no footage here: ../shared/data/manifest.csv is missing")
    with manifest.open() as file:
        rows = list(csv.DictReader(file))

    def chosen(scene: str, label: str) -> list[Path]:
        found = [r["path"] for r in rows if r["scene"] == scene and r["label"] == label]
        assert found, f"no {label} in {scene}"
        return [DATA / path for path in sorted(found)]

    return chosen


@pytest.fixture(scope="session")
def fight_feed(clips: Callable[[str, str], list[Path]]) -> Feed:
    """Normal clips of one scene, its fight, and normal clips again: 16 s, 8 s, 20 s."""
    calm, fight = clips(FIGHT_SCENE, "normal"), clips(FIGHT_SCENE, "violence")
    return Feed((*calm[:8], *fight[:4], *calm[:9], calm[0]))


@pytest.fixture(scope="session")
def calm_feeds(clips: Callable[[str, str], list[Path]]) -> list[Feed]:
    """Three streams of normal clips, a scene each."""
    return [Feed(tuple(clips(scene, "normal")[:8])) for scene in CALM_SCENES]


@pytest.fixture(scope="session")
def walk_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A drawn clip with something always moving, 640×360 at 25 fps."""
    return make_clip(tmp_path_factory.mktemp("clips") / "walk.mp4")


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[MqttBroker]:
    """A real MQTT broker."""
    folder = tmp_path / "broker"
    folder.mkdir()
    with MqttBroker(folder) as running:
        yield running
