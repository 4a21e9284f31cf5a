"""The help of every command, as people read it in a terminal of 80 columns."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable

import pytest

from config import errors
from detector.cli import build_parser
from detector.cli.completion import all_parsers

Run = Callable[..., tuple[int, str, str]]

PARSERS = {parser.prog: parser for parser in all_parsers(build_parser())}


@pytest.mark.parametrize("command", PARSERS)
def test_every_option_argument_and_command_has_help(command: str) -> None:
    missing = []
    for action in PARSERS[command]._actions:
        if isinstance(action, argparse._SubParsersAction):
            helps = {choice.dest: choice.help for choice in action._choices_actions}
            missing += [name for name in action.choices if not helps.get(name)]
        elif not action.help or action.help is argparse.SUPPRESS:
            missing.append("/".join(action.option_strings) or action.dest)
    assert missing == []


@pytest.mark.parametrize("command", PARSERS)
def test_help_fits_80_columns(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert max(len(line) for line in PARSERS[command].format_help().splitlines()) <= 80


def test_without_a_command_the_whole_help_is_shown(run: Run) -> None:
    _, helped, _ = run("--help")
    assert run() == (64, "", helped)


def test_the_help_lists_every_exit_code(run: Run) -> None:
    _, out, _ = run("--help")
    _, listed = out.split("exit codes:\n")
    codes = {int(line.split()[0]) for line in listed.splitlines()}
    raised = {
        error.exit_code
        for error in vars(errors).values()
        if isinstance(error, type) and issubclass(error, errors.JikimiError)
    }
    assert codes == {0, 130} | raised


@pytest.mark.parametrize("arguments", [["--help"], ["status", "--state-dir", "/nowhere"]])
def test_help_and_status_load_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom detector.cli import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        "print(*sorted(set(sys.modules)), file=sys.stderr)"
    )
    found = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
    )
    loaded = set(found.stderr.split())
    heavy = {"av", "cv2", "numpy", "ai_edge_litert", "matplotlib", "gpiozero", "paho", "shtab"}
    heavy |= {"alerts.message", "detector.daemon.daemon", "structlog", "tqdm"}
    assert loaded & heavy == set()
