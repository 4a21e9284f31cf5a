"""A disk that does not answer holds up no scrape."""

from __future__ import annotations

import math
import shutil
import threading
from pathlib import Path

import pytest
from alerting import wait_for

from detector.daemon.observability import free_space


def test_the_room_on_a_disk(tmp_path: Path) -> None:
    assert free_space.FreeSpace(tmp_path)() == pytest.approx(shutil.disk_usage(tmp_path).free, 0.1)
    assert math.isnan(free_space.FreeSpace(tmp_path / "gone")())


def test_a_disk_that_hangs_is_asked_once_and_holds_up_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(free_space, "WAIT_S", 0.01)
    answers = threading.Event()
    asked = []

    class Hanging:
        free = 7

        def __init__(self, folder: Path) -> None:
            asked.append(folder)
            answers.wait()

    monkeypatch.setattr(free_space.shutil, "disk_usage", Hanging)
    space = free_space.FreeSpace(tmp_path)
    assert math.isnan(space())
    assert math.isnan(space())
    assert len(asked) == 1
    answers.set()
    wait_for(lambda: space() == 7)
