"""How every test runs."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, settings

from config import secrets
from detector.cli import main
from footage import Picture, write_video

# How long an example takes says more about the machine's other work than about the code.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("quick", settings.get_profile("patient"), max_examples=20)  # make check
settings.load_profile("patient")


MakeVideo = Callable[..., Path]


@pytest.fixture(autouse=True)
def _own_secrets() -> Iterator[None]:
    """A process knows its secrets for good; a test's are not to be hidden from the next."""
    known = secrets._known
    yield
    secrets._known = known


@pytest.fixture
def own_logging() -> Iterator[None]:
    """Afterwards logging is as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    hooks = threading.excepthook, sys.unraisablehook
    yield
    structlog.reset_defaults()
    logging.captureWarnings(capture=False)
    root.handlers[:] = handlers
    threading.excepthook, sys.unraisablehook = hooks
    root.setLevel(level)


@pytest.fixture
def run(
    capsys: pytest.CaptureFixture[str], own_logging: None
) -> Callable[..., tuple[int, str, str]]:
    """Run a command line in this process: exit code, standard output, standard error."""

    def command(*arguments: object) -> tuple[int, str, str]:
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = int(end.code or 0)
        return code, *capsys.readouterr()

    return command


@pytest.fixture
def make_video(tmp_path: Path) -> MakeVideo:
    """`write_video`, into this test's folder."""

    def make(
        pictures: Iterable[Picture], fps: float = 25, name: str = "clip.mp4", **more: Any
    ) -> Path:
        return write_video(tmp_path / name, pictures, fps, **more)

    return make
