"""The wheel, and Jikimi installed from it below a root of its own."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from installing import INSTALL, REPOSITORY, build_wheel, run


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the wheel is made of, as it is now: the checkout may change while the tests run."""
    tree = tmp_path_factory.mktemp("source")
    for room in ("alerts", "config", "detector", "models"):
        # Other tests write there meanwhile.
        caches = shutil.ignore_patterns("__pycache__")
        shutil.copytree(REPOSITORY / room, tree / room, ignore=caches)
    for file in ("README.md", "LICENSE", "pyproject.toml", ".gitignore"):
        shutil.copy(REPOSITORY / file, tree)
    return tree


@pytest.fixture(scope="session")
def wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, as `make wheel` builds it."""
    return build_wheel(source, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def next_wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as version 99.0.0."""
    tree = tmp_path_factory.mktemp("next") / "source"
    shutil.copytree(source, tree)
    project = tree / "pyproject.toml"
    lines = project.read_text().splitlines()
    lines = ['version = "99.0.0"' if line.startswith("version = ") else line for line in lines]
    project.write_text("\n".join(lines))
    return build_wheel(tree, tmp_path_factory.mktemp("next-wheel"))


@pytest.fixture(scope="session")
def scratch(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Path:
    """A root with systemd's own units, and Jikimi installed below it."""
    if os.geteuid() != 0:
        pytest.skip("needs root: what is installed gets owners")
    for tool in ("systemd-analyze", "systemd-sysusers"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is missing: apt install systemd")
    root = tmp_path_factory.mktemp("root")
    shutil.copytree("/usr/lib/systemd/system", root / "usr/lib/systemd/system", symlinks=True)
    (root / "usr/bin").mkdir()
    shutil.copy("/bin/sh", root / "usr/bin/sh")
    for folder in ("bin", "lib"):
        (root / folder).symlink_to(f"usr/{folder}")
    done = run(INSTALL, "--root", root, "--wheel", wheel)
    assert done.returncode == 0, done.stderr
    return root
