"""`jikimi cluster`: what it shows, and what it says where something is missing."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from detector.cli.cluster.showing import shown

Run = Callable[..., tuple[int, str, str]]
without_ray = pytest.mark.skipif(find_spec("ray") is not None, reason="Ray is installed here")


def box(name: str, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "alive": True,
        "seen_ago_s": 0.2,
        "draining": False,
        "sites": [],
        "cameras": 3,
        "held": 3,
        "live": 3,
        "load": 0.31,
    } | more


STATUS: dict[str, Any] = {
    "boxes": [box("a"), box("b", alive=False, seen_ago_s=74.0, cameras=0, live=0, load=0)],
    "cameras": {"gate": {"box": "a", "epoch": 5, "live": True}},
    "unassignable": {"yard": "every box that reaches it is dead: b"},
    "head_room": {"enough": False, "load": 0.0, "without": "a", "unwatched": {"a": ["gate"]}},
    "unknown_boxes": {"quay-siren": "habour"},
    "journal": None,
}


def test_the_status_names_boxes_cameras_without_one_and_whose_loss_would_matter() -> None:
    said = shown(STATUS)
    assert "2 box(es), 1 camera(s) assigned, 1 live" in said
    assert "a  works  3 of 3 camera(s) live  load 31%" in said
    assert "b  dead, last heard of 74 s ago" in said
    assert "yard  every box that reaches it is dead: b" in said
    assert "cameras would be unwatched without a (1)" in said
    assert "quay-siren  names box habour, which has not joined" in said
    assert "journal" not in said


@pytest.mark.parametrize(
    ("room", "told"),
    [
        ({"enough": True, "load": 0.5, "without": "a", "unwatched": {}}, "any one box may die"),
        (
            {"enough": False, "load": 0.91, "without": "a", "unwatched": {}},
            "without a a box would have a load of 91%",
        ),
    ],
)
def test_the_status_says_whether_a_box_may_die(room: dict[str, Any], told: str) -> None:
    assert told in shown(STATUS | {"head_room": room, "journal": "none that boxes share"})


@without_ray
@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
        (["status"], "cluster"),
        (["drain", "a"], "cluster"),
        (["join", "127.0.0.1:9"], "cluster"),
        (["serve"], "serve"),
    ],
)
def test_without_ray_the_command_says_what_to_install(
    run: Run, arguments: list[str], extra: str
) -> None:
    code, _, errors = run("cluster", *arguments)
    assert code == 6
    assert f"pip install 'jikimi[{extra}]'" in errors


def test_a_wrong_configuration_is_told_before_anything_starts(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "city.yaml"
    path.write_text("cameras:\n  gate: nowhere://\n")
    code, _, errors = run("cluster", "start", "--config", path)
    assert code == 2
    assert "city.yaml:2: cameras.gate" in errors


def test_neither_the_daemon_nor_a_box_imports_ray() -> None:
    code = (
        "import sys, detector.daemon.daemon, detector.cli.run, detector.cluster.box, detector.cli;"
        "detector.cli.build_parser(); sys.exit('ray' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


@pytest.mark.slow
def test_the_daemon_runs_where_ray_cannot_be_imported(tmp_path: Path) -> None:
    path = tmp_path / "jikimi.yaml"
    path.write_text("cameras: {gate: 'pattern://calm'}\nhttp: {port: 0}\nevidence: off\n")
    code = (
        "import sys; sys.modules['ray'] = None; sys.modules['detector.cluster'] = None;"
        f"sys.argv[1:] = ['run', '--config', {str(path)!r}, '--for', '1'];"
        "from detector.cli import command; command()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "JIKIMI_STATE_DIR": str(tmp_path / "state")},
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )
    assert done.returncode == 0, done.stderr
