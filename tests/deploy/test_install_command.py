"""`make install` in a checkout of its own, for a user with a home of his own."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from installing import REPOSITORY

TOOLS = (
    *("bash", "cat", "command", "dirname", "grep", "ln", "make", "mkdir", "mktemp"),
    *("readlink", "rm", "sed", "sh"),
)

Make = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What `make install` needs of one, its environment made already."""
    if shutil.which("make") is None:
        pytest.skip("make is missing: apt install make")
    folder = tmp_path / "checkout"
    for file in ("Makefile", "requirements.txt", "pyproject.toml", "deploy/install_command.sh"):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / file, folder / file)
    put_command(folder / ".venv/bin/jikimi", "echo jikimi of the checkout")
    (folder / ".venv/.run").touch()
    return folder


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A PATH without pipx, whatever this machine has."""
    folder = tmp_path / "tools"
    folder.mkdir()
    for tool in TOOLS:
        if found := shutil.which(tool):
            (folder / tool).symlink_to(found)
    return folder


@pytest.fixture
def make(checkout: Path, tools: Path, tmp_path: Path) -> Make:
    """Run make in the checkout."""
    (tmp_path / "home").mkdir()

    def run(target: str, path: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["make", "-o", ".venv/.run", target],
            cwd=checkout,
            env={"HOME": str(tmp_path / "home"), "PATH": f"{tools}{path}"},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def put_command(path: Path, body: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def test_without_pipx_a_link_and_the_line_that_puts_it_on_the_path(
    make: Make, tmp_path: Path
) -> None:
    command = tmp_path / "home/.local/bin/jikimi"
    for _ in range(2):
        done = make("install")
        assert (done.returncode, done.stderr) == (0, "")
        assert f"{command} now is a link to {tmp_path}/checkout/.venv/bin/jikimi" in done.stdout
        assert f'export PATH="{command.parent}:$PATH"' in done.stdout
        ran = subprocess.run([command], capture_output=True, text=True, check=True)
        assert ran.stdout == "jikimi of the checkout\n"


def test_nothing_is_asked_for_where_the_folder_is_on_the_path(make: Make, tmp_path: Path) -> None:
    done = make("install", f":{tmp_path}/home/.local/bin")
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 1


def test_another_jikimi_that_comes_first_is_named(make: Make, tools: Path, tmp_path: Path) -> None:
    put_command(tools / "jikimi", "echo older")
    done = make("install", f":{tmp_path}/home/.local/bin")
    assert f"But {tools}/jikimi comes first on your PATH" in done.stdout


def test_a_command_of_someone_elses_is_not_replaced(make: Make, tmp_path: Path) -> None:
    command = tmp_path / "home/.local/bin/jikimi"
    put_command(command, "echo mine")
    done = make("install")
    assert done.returncode != 0
    assert f"{command} is there already" in done.stderr
    assert make("uninstall").returncode == 0
    assert "echo mine" in command.read_text()


def test_a_link_into_a_checkout_that_is_gone_is_replaced(make: Make, tmp_path: Path) -> None:
    command = tmp_path / "home/.local/bin/jikimi"
    command.parent.mkdir(parents=True)
    command.symlink_to(tmp_path / "gone/.venv/bin/jikimi")
    assert make("install").returncode == 0
    assert command.exists()


def test_uninstall_takes_the_link_away(make: Make, tmp_path: Path) -> None:
    make("install")
    done = make("uninstall")
    assert (done.returncode, done.stderr) == (0, "")
    assert list((tmp_path / "home/.local/bin").iterdir()) == []
    assert "nothing to remove" in make("uninstall").stdout


def test_pipx_gets_the_pinned_versions_where_it_is(
    make: Make, tools: Path, checkout: Path, tmp_path: Path
) -> None:
    """A stand-in for pipx that keeps what it is told; the real one takes a minute and a network."""
    told = tmp_path / "told.txt"
    put_command(
        tools / "pipx",
        f'[ "$1" = environment ] && echo "$HOME/pipx-bin" && exit\necho "$@" >> {told}\n'
        f"for last; do :; done\ncase $1 in install) cat ${{6#--constraint }} >> {told};; esac",
    )
    (checkout / ".venv/bin/jikimi").unlink()  # it needs no environment here
    done = make("install")
    assert (done.returncode, done.stderr) == (0, "")
    assert f'export PATH="{tmp_path}/home/pipx-bin:$PATH"' in done.stdout
    first, *pinned = told.read_text().splitlines()
    assert first.startswith("install --force --python python3 --pip-args --constraint ")
    assert first.endswith(f" {checkout}")
    locked = (REPOSITORY / "requirements.txt").read_text().splitlines()
    assert pinned == [line.rstrip(" \\") for line in locked if "==" in line]
