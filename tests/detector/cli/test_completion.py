"""`jikimi completion`, asked as the shell asks it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., tuple[int, str, str]]

ASK = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
complete -p jikimi >&2
_shtab_jikimi jikimi "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def complete(tmp_path: Path, run: Run) -> Callable[..., set[str]]:
    """What bash offers for the last of these words, in a folder with two files and a folder."""
    if not shutil.which("bash"):
        pytest.skip("bash is not installed")
    code, script, err = run("completion", "bash")
    assert (code, err) == (0, "")
    (tmp_path / "jikimi.bash").write_text(script)
    folder = tmp_path / "here"
    (folder / "state").mkdir(parents=True)
    for name in ("site.yaml", "clip.mp4"):
        (folder / name).write_text("")

    def asked(*words: str) -> set[str]:
        done = subprocess.run(
            ["bash", "--norc", "-c", ASK, "bash", str(tmp_path / "jikimi.bash"), "jikimi", *words],
            capture_output=True,
            text=True,
            check=True,
            cwd=folder,
        )
        assert "-F _shtab_jikimi jikimi" in done.stderr
        return set(done.stdout.split())

    return asked


def test_commands_and_options(complete: Callable[..., set[str]]) -> None:
    assert complete("sil") == {"silence"}
    assert complete("data", "man") == {"manifest"}
    assert complete("plan", "--reso") == {"--resolution"}
    assert complete("plan", "--resolution", "7") == {"720p"}
    assert complete("completion", "z") == {"zsh"}


def test_files_and_folders(complete: Callable[..., set[str]]) -> None:
    assert complete("check", "si") == {"site.yaml"}
    assert complete("run", "--config", "s") == {"site.yaml", "state"}
    assert complete("status", "--state-dir", "s") == {"state"}


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_each_shell_gets_a_script(shell: str, run: Run) -> None:
    code, out, err = run("completion", shell)
    assert (code, err) == (0, "")
    assert "jikimi" in out
    assert "relays-off" in out


def test_another_shell_is_wrong_usage(run: Run) -> None:
    code, out, err = run("completion", "fish")
    assert (code, out) == (64, "")
    assert "bash" in err
