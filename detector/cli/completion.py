"""`jikimi completion`: a script that makes the shell complete commands, options and files."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SHELLS = ("bash", "zsh", "tcsh")

DESCRIPTION = """\
Print a script that completes commands, options and file names. To enable it:

  bash  jikimi completion bash > ~/.jikimi.bash
        and in ~/.bashrc: source ~/.jikimi.bash
  zsh   mkdir -p ~/.zfunc; jikimi completion zsh > ~/.zfunc/_jikimi
        and in ~/.zshrc, before compinit: fpath=(~/.zfunc $fpath)
  tcsh  jikimi completion tcsh > ~/.jikimi.tcsh
        and in ~/.tcshrc: source ~/.jikimi.tcsh

Then open a new shell."""

FOLDERS = {"DIR", "FOLDER", "RUN"}
"""What an argument that is a folder is called in the help; other paths are files."""


def add_commands(commands: Any) -> None:
    """Add `completion`."""
    completion = commands.add_parser(
        "completion",
        help="print a completion script for bash, zsh or tcsh",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    completion.add_argument("shell", choices=SHELLS, help="the shell that you use")
    completion.set_defaults(run=_completion)


def _completion(chosen: argparse.Namespace) -> int:
    import shtab  # noqa: PLC0415 - only this command needs it

    from detector.cli import build_parser  # noqa: PLC0415 - it imports this module

    parser = build_parser()
    for one in all_parsers(parser):
        for action in one._actions:  # noqa: SLF001 - as shtab itself
            if action.type is Path:
                completes = shtab.DIRECTORY if action.metavar in FOLDERS else shtab.FILE
                action.complete = completes  # type: ignore[attr-defined]
    print(shtab.complete(parser, shell=chosen.shell))
    return 0


def all_parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """`parser` and those of all its subcommands, however deep."""
    yield parser
    for action in parser._actions:  # noqa: SLF001 - argparse has no other way to ask
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for inner in action.choices.values():
                yield from all_parsers(inner)
