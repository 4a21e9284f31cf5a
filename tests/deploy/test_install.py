"""What install.sh leaves below a scratch root, and what systemd says of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from installing import INSTALL, run

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(300)]

EXPOSURE = 2.0


@pytest.fixture
def copy(scratch: Path, tmp_path: Path) -> Path:
    """A root of the test's own, installed below already."""
    root = tmp_path / "root"
    shutil.copytree(scratch, root, symlinks=True)
    return root


def files(root: Path) -> dict[str, tuple[int, int]]:
    """Everything below a root but systemd's own: mode, and when a file was last written."""
    return {
        str(path.relative_to(root)): (
            path.lstat().st_mode,
            0 if path.is_dir() else path.lstat().st_mtime_ns,
        )
        for path in root.rglob("*")
        if path.relative_to(root).parts[:2] != ("usr", "lib") and path.name != ".pwd.lock"
    }


def current(root: Path) -> str:
    """The version that runs."""
    return str((root / "opt/jikimi/current").readlink())


def test_systemd_has_nothing_to_say_against_the_unit(scratch: Path) -> None:
    done = run("systemd-analyze", "verify", "--root", scratch, "jikimi.service")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_service_is_confined(scratch: Path) -> None:
    unit = scratch / "etc/systemd/system/jikimi.service"
    analyse = ("systemd-analyze", "security", "--offline=true", "--json=short", unit)
    threshold = f"--threshold={EXPOSURE * 10:.0f}"
    done = run(*analyse, threshold)
    assert done.returncode == 0, done.stdout + done.stderr
    open_doors = {row["json_field"] for row in json.loads(done.stdout) if row["set"] is False}
    assert "CapabilityBoundingSet_CAP_SYS_ADMIN" not in open_doors
    assert "NoNewPrivileges" not in open_doors


def test_the_command_runs_from_where_it_will_stand(scratch: Path) -> None:
    launcher = (scratch / "opt/jikimi/current/bin/jikimi").read_text()
    assert launcher.startswith(f"#!/opt/jikimi/{current(scratch)}/bin/python\n")
    assert str(scratch) not in launcher


def test_secrets_are_not_for_everyone(scratch: Path) -> None:
    config = scratch / "etc/jikimi/jikimi.yaml"
    [entry] = [
        line.split(":")
        for line in (scratch / "etc/group").read_text().splitlines()
        if line.startswith("jikimi:")
    ]
    assert config.stat().st_mode & 0o777 == 0o640
    assert config.stat().st_gid == int(entry[2])
    assert (scratch / "etc/jikimi/credentials").stat().st_mode & 0o777 == 0o700


def test_installing_again_changes_nothing(copy: Path, wheel: Path) -> None:
    config = copy / "etc/jikimi/jikimi.yaml"
    config.write_text("cameras: {gate: rtsp://192.0.2.1/1}\n")
    before = files(copy)
    done = run(INSTALL, "--root", copy, "--wheel", wheel)
    assert done.returncode == 0, done.stderr
    assert files(copy) == before


def test_an_upgrade_can_be_taken_back(copy: Path, wheel: Path, next_wheel: Path) -> None:
    old = current(copy)
    (copy / "etc/jikimi/jikimi.yaml").write_text("mine\n")
    done = run(INSTALL, "--root", copy, "--wheel", next_wheel)
    assert done.returncode == 0, done.stderr
    assert current(copy).startswith("99.0.0-")
    assert (copy / "opt/jikimi" / old / "bin/jikimi").exists()
    done = run(INSTALL, "--root", copy, "--rollback")
    assert done.returncode == 0, done.stderr
    assert current(copy) == old
    assert (copy / "etc/jikimi/jikimi.yaml").read_text() == "mine\n"


def test_without_an_older_version_there_is_no_way_back(scratch: Path) -> None:
    before = current(scratch)
    done = run(INSTALL, "--root", scratch, "--rollback")
    assert done.returncode == 1
    assert "no version before this one" in done.stderr
    assert current(scratch) == before


def test_uninstalling_leaves_configuration_and_state(copy: Path) -> None:
    state = copy / "var/lib/jikimi/outbox.sqlite"
    state.parent.mkdir(parents=True)
    state.touch()
    for _ in range(2):
        done = run(INSTALL, "--root", copy, "--uninstall")
        assert done.returncode == 0, done.stderr
        left = {name for name in files(copy) if "jikimi" in name}
        assert left == {
            *("etc/jikimi", "etc/jikimi/jikimi.yaml", "etc/jikimi/credentials"),
            *("var/lib/jikimi", "var/lib/jikimi/outbox.sqlite"),
        }
    assert "rm -r /etc/jikimi" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--wheel", "nowhere.whl"), "no wheel nowhere.whl"),
        (("--root",), "needs a value"),
        (("--frobnicate",), "usage: install.sh"),
    ],
)
def test_a_mistake_is_told_and_changes_nothing(
    tmp_path: Path, arguments: tuple[str, ...], told: str
) -> None:
    done = run(INSTALL, "--root", tmp_path, *arguments)
    assert done.returncode != 0
    assert told in done.stderr
    assert not list(tmp_path.iterdir())


def test_shellcheck_has_nothing_to_say() -> None:
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is missing: apt install shellcheck")
    scripts = sorted(INSTALL.parents[1].rglob("*.sh"))
    done = run("shellcheck", *scripts, *sorted(Path(__file__).parent.glob("*.sh")))
    assert done.returncode == 0, done.stdout
