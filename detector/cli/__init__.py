"""The `jikimi` command: one module a group of subcommands, this one to bind them.

Errors go to standard error in one or a few lines; a traceback is for what nobody expected, and
holds no password either. What the exit codes mean is printed by `jikimi --help`.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
from collections.abc import Generator, Sequence
from contextlib import suppress
from importlib.metadata import entry_points, version
from traceback import format_exc
from typing import NoReturn

from config.errors import JikimiError, UsageError
from config.secrets import scrub
from config.urls import StreamUrl, split_camera

EXIT_CODES = """\
exit codes:
  0    done
  1    unexpected error
  2    the configuration is wrong
  3    a camera or video cannot be opened, read or scored
  4    the weights are missing, damaged or of another version
  5    a sink did not acknowledge, or a relay may still be on
  6    no running daemon answers, or it refused
  64   wrong usage, such as an unknown option
  130  interrupted (Ctrl-C)"""


class Parser(argparse.ArgumentParser):
    """Argparse, with an exit code for usage that configuration errors do not share."""

    def error(self, message: str) -> NoReturn:
        """Print usage and `message`; exit with 64."""
        for word in message.split():
            # a camera's URL in the wrong place: parsing it makes its password known to scrub
            with suppress(ValueError):
                StreamUrl.parse(split_camera(word.strip("'"))[1])
        self.print_usage(sys.stderr)
        self.exit(UsageError.exit_code, f"{self.prog}: {scrub(message)}\n")


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Keeps lines as they are, and commands and their help in two columns.

    Argparse indents commands without counting that into the columns' width.
    """

    def _iter_indented_subactions(self, action: argparse.Action) -> Generator[argparse.Action]:
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            yield from action._get_subactions()  # noqa: SLF001


def build_parser() -> Parser:
    """All subcommands; each sets `run`, a function from its arguments to an exit code."""
    # Imported here: `jikimi status` must not wait for OpenCV and LiteRT to load.
    from detector.cli import (  # noqa: PLC0415
        check,
        completion,
        operate,
        outbox,
        plan,
        run,
        score,
        status,
    )
    from detector.cli.cameras import discover, probe  # noqa: PLC0415
    from detector.cli.cluster import command as cluster  # noqa: PLC0415
    from detector.cli.console import command as console  # noqa: PLC0415
    from detector.cli.incidents import command as incidents  # noqa: PLC0415

    parser = Parser(
        prog="jikimi",
        description="Watches cameras and raises an alarm at fights.",
        epilog=EXIT_CODES,
        formatter_class=HelpFormatter,
    )
    parser.add_argument(
        "--version",
        action="version",
        version=f"jikimi {version('jikimi')}",
        help="print the version and exit",
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for group in (run, check, discover, probe, plan, score):
        group.add_commands(commands)
    for entry in entry_points(group="jikimi.commands"):
        entry.load()(commands)
    for group in (status, incidents, outbox, operate, console, cluster, completion):
        group.add_commands(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code. Without a command, print the help."""
    parser = build_parser()
    given = sys.argv[1:] if arguments is None else arguments
    if not given:
        parser.print_help(sys.stderr)
        return UsageError.exit_code
    chosen = parser.parse_args(given)
    try:
        code: int = chosen.run(chosen)
    except JikimiError as error:
        _complain(f"jikimi: {scrub(str(error))}")
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # `jikimi incidents | head`: whoever read us has seen enough.
        sys.stderr.close()
        return 0
    except Exception:  # noqa: BLE001 - Python itself would print it with whatever URL it holds
        _complain(f"jikimi: unexpected\n{scrub(format_exc())}")
        return JikimiError.exit_code
    return code


def _complain(text: str) -> None:
    """Write `text` to standard error; where that is full or closed the exit code must do."""
    with suppress(OSError, ValueError):
        print(text, file=sys.stderr, flush=True)


def command() -> NoReturn:
    """`jikimi` as installed: `main`, and the end of the process with its exit code."""
    leave(main())


def leave(code: int) -> NoReturn:
    """End this process, in which cameras were read, with `code`.

    A camera's thread that hangs inside libav is left behind. PyAV takes the GIL there ten times
    a second to look at the clock, and doing so in an interpreter already torn down crashes: with
    40 such threads 2 of 20 ends were a segmentation fault. Such a process ends as it stands.
    """
    if any(thread.daemon for thread in threading.enumerate()):
        for out in (sys.stdout, sys.stderr):
            with suppress(AttributeError, ValueError, OSError):  # closed, or nobody reads
                out.flush()
        os._exit(code)
    sys.exit(code)
