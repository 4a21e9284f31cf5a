"""Who may read what the daemon keeps."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from detector.daemon.state_dir import claimed


@pytest.fixture(autouse=True)
def _umask() -> Iterator[None]:
    """What most users have."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_what_the_daemon_makes_is_not_for_others(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    with claimed(folder):
        (folder / "calibration").mkdir()
        (folder / "calibration/gate.json").write_text("{}")
    assert mode(folder) == 0o750
    made = list(folder.rglob("*"))
    assert {path.name for path in made} == {"calibration", "daemon.lock", "gate.json"}
    assert [path for path in made if mode(path) & 0o027] == []
    (tmp_path / "later").write_text("")
    assert mode(tmp_path / "later") == 0o644


def test_who_is_stricter_stays_so(tmp_path: Path) -> None:
    os.umask(0o077)
    with claimed(tmp_path):
        (tmp_path / "file").write_text("")
    assert mode(tmp_path / "file") == 0o600
