"""The wheel in a clean environment: what an operator gets."""

from __future__ import annotations

import json
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from installing import REPOSITORY, build_wheel, run

PIP = ("-m", "pip", "install", "-q", "--disable-pip-version-check")
VERSION = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["version"]


@pytest.mark.slow
def test_it_holds_the_weights_and_schema_and_no_tests(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    weights = REPOSITORY / "models/weights"
    shipped = {f"models/weights/{file.name}" for file in weights.iterdir() if file.is_file()}
    assert shipped <= set(names)
    assert {"alerts/alert.schema.json", "detector/onvif/media2.wsdl"} <= set(names)
    assert {f"{room}/py.typed" for room in ("alerts", "config", "detector", "models")} <= set(names)
    rooms = {name.split("/")[0] for name in names}
    assert rooms == {"alerts", "config", "detector", "models", f"jikimi-{VERSION}.dist-info"}
    assert not [name for name in names if name.startswith("test") or "/test" in name]


@pytest.mark.slow
def test_the_same_source_gives_the_same_wheel(source: Path, wheel: Path, tmp_path: Path) -> None:
    assert build_wheel(source, tmp_path).read_bytes() == wheel.read_bytes()


def _entries(lock: str) -> dict[str, str]:
    """What stands in a lock file for each package, hashes included."""
    found = (REPOSITORY / lock).read_text().replace("\\\n", "").splitlines()
    return {line.partition("==")[0]: line for line in found}


def test_relays_get_the_packages_that_everything_is_tested_with() -> None:
    full = _entries("requirements-train.txt")
    gpio = _entries("deploy/requirements-gpio.txt")
    assert set(gpio) == {"lgpio", "pigpio"}
    assert gpio == {name: full[name] for name in gpio}


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.long
def test_it_works_in_a_clean_environment(wheel: Path, tmp_path: Path) -> None:
    folder = tmp_path / "clean"
    python, jikimi = folder / "bin/python", folder / "bin/jikimi"
    for command in (
        (sys.executable, "-m", "venv", folder),
        (python, *PIP, "--require-hashes", "-r", REPOSITORY / "requirements.txt"),
        (python, *PIP, "--no-deps", wheel),
        (python, "-m", "pip", "check", "--disable-pip-version-check"),
    ):
        done = run(*command)
        assert done.returncode == 0, done.stderr

    assert run(jikimi, "--version").stdout == f"jikimi {VERSION}\n"
    assert "cameras" in json.loads(run(jikimi, "check", "--schema").stdout)["properties"]
    state = {"JIKIMI_STATE_DIR": str(tmp_path / "state"), "JIKIMI_HTTP__PORT": "0"}
    people = {"JIKIMI_LOG__FORMAT": "console", "XDG_CONFIG_HOME": str(tmp_path)}
    done = run(jikimi, "run", "--for", "3", PYTHONWARNINGS="error", **state, **people)
    assert done.returncode == 0, done.stderr
    assert "watches 2 camera(s)" in done.stdout
    assert "Traceback" not in done.stderr
