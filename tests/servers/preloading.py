"""Libraries in C that a daemon is started with, for what cannot be reached from Python."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest


def library(name: str, folder: Path) -> Path:
    """`name.c` of this folder, compiled into `folder`; skips where nothing compiles C."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("a C compiler is missing: apt install gcc")
    made = folder / f"{name}.so"
    if not made.exists():
        source = Path(__file__).with_name(f"{name}.c")
        command = [compiler, "-shared", "-fPIC", "-O2", "-o", str(made), str(source), "-ldl"]
        subprocess.run(command, check=True)
    return made
