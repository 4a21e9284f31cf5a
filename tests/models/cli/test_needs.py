"""What a command needs is checked before it works, and one command that helps is named."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from detector.cli import build_parser

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def data(footage: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two scenes of each label, and a cache of this test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder: Path = footage(sets=["city"], scenes=2)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "arguments", "said"),
    [
        ("sklearn", ["--pretrained", "shipped"], "training needs scikit-learn"),
        ("tensorflow", [], "--pretrained imagenet needs TensorFlow"),
        ("tensorflow", ["--pretrained", "shipped", "--train", "block_11"], "--train block_11"),
        ("tensorflow", ["--input", "rgb-frame"], "--input rgb-frame needs TensorFlow"),
    ],
)
def test_a_package_that_training_lacks_is_named_before_it_works(
    run: Run,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    module: str,
    arguments: list[str],
    said: str,
) -> None:
    if module == "tensorflow":
        pytest.importorskip("sklearn")
    monkeypatch.setitem(sys.modules, module, None)  # as if it were not installed
    code, _, err = run("train", data, "--out", tmp_path / "run", *arguments)
    assert code == 1
    assert said in err
    assert err.endswith("pip install 'jikimi[tensorflow]'\n")
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "run").exists()
    assert not (tmp_path / "cache/jikimi").exists()


@pytest.mark.slow
def test_pretrained_weights_that_are_not_there_are_named_before_it_works(
    run: Run, data: Path, tmp_path: Path
) -> None:
    pytest.importorskip("tensorflow")
    out = tmp_path / "run"
    code, _, err = run("train", data, "--out", out, "--pretrained", "absent.h5")
    assert code == 4
    assert "absent.h5: no such weights file" in err
    assert not out.exists()


@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_a_folder_that_cannot_be_written_is_named_before_it_works(
    run: Run, data: Path, tmp_path: Path, command: str
) -> None:
    pytest.importorskip("sklearn")
    out = tmp_path / "file"
    out.touch()
    more = ["--pretrained", "shipped"] if command == "train" else []
    code, _, err = run(command, data, "--out", out, *more)
    assert code == 2
    assert f"{out}: cannot be written" in err
    assert "--out" in err
    assert not (tmp_path / "cache/jikimi").exists()


@pytest.mark.slow
@pytest.mark.long
def test_without_internet_training_from_imagenet_says_what_works_instead(
    data: Path, tmp_path: Path
) -> None:
    pytest.importorskip("tensorflow")
    nowhere = "http://127.0.0.1:9"  # nobody listens on it
    found = subprocess.run(
        [sys.executable, "-m", "detector.cli", "train", str(data), "--out", str(tmp_path / "run")],
        env={**os.environ, "KERAS_HOME": str(tmp_path / "keras"), "HTTPS_PROXY": nowhere,
             "https_proxy": nowhere},
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert found.returncode == 4, found.stderr
    assert "Traceback" not in found.stderr
    said = found.stderr.splitlines()[-1]
    assert said.startswith("jikimi: imagenet: Keras cannot download its weights")
    assert "--pretrained FILE.h5" in said
    assert "--pretrained shipped" in said
    assert not (tmp_path / "cache/jikimi").exists()


def commands(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """All that stand below `parser`."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield below
                yield from commands(below)


@pytest.mark.parametrize("name", ["train", "evaluate", "export", "data", "score", "plan"])
def test_every_option_and_argument_has_help(name: str) -> None:
    of_name = [own for own in commands(build_parser()) if own.prog.split()[1] == name]
    actions = [
        action
        for own in of_name
        for action in own._actions
        if not isinstance(action, argparse._SubParsersAction)
    ]
    assert len(actions) > len(of_name)  # more than --help
    assert [action.dest for action in actions if not action.help] == []
