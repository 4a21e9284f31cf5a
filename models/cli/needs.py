"""What a command needs, checked before it works for minutes: packages, and a folder to write to."""

from __future__ import annotations

import tempfile
from importlib.util import find_spec
from pathlib import Path

from config.errors import ConfigError, JikimiError

PACKAGES = {"sklearn": "scikit-learn", "tensorflow": "TensorFlow"}
"""The modules that the extra `tensorflow` brings, and what they are called."""


def need_packages(what: str, *modules: str) -> None:
    """Raise JikimiError, naming the command that helps, where one of `PACKAGES` is missing."""
    for module in modules:
        if find_spec(module) is None:
            raise JikimiError(
                f"{what} needs {PACKAGES[module]}, which is not installed: "
                "pip install 'jikimi[tensorflow]'"
            )


def need_folder(out: Path) -> None:
    """Make the folder `out`; raise ConfigError where nothing can be written to it."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise ConfigError(
            f"{out}: cannot be written ({error.strerror}); name another folder with --out"
        ) from error
