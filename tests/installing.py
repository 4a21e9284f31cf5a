"""Building the wheel and running installers, for the tests of `deploy`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
INSTALL = REPOSITORY / "deploy/systemd/install.sh"


def run(*command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run to the end, whatever comes of it."""
    return subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )


def build_wheel(tree: Path, folder: Path) -> Path:
    """The wheel of a source tree."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=tree,
        check=True,
        capture_output=True,
    )
    (wheel,) = folder.glob("*.whl")
    return wheel
