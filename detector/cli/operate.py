"""What an operator asks the running daemon to do: `drill`, `silence`, `recalibrate`, `relays-off`.

`relays-off` works without a daemon: it is for after a crash.
"""

from __future__ import annotations

import argparse
import os
import re
from pathlib import Path
from typing import Any

from alerts.registry import sink_options
from config.errors import DeliveryError
from config.load import load_sinks
from detector.cli.asking import add_state_dir, ask_daemon
from detector.cli.settings import CONFIG_HELP, config_file

DURATION = re.compile(r"(\d+(?:\.\d+)?)(s|m|h)?")
UNIT_S = {None: 1, "s": 1, "m": 60, "h": 3600}


def add_commands(commands: Any) -> None:
    """Add the four."""
    drill = commands.add_parser("drill", help="a marked exercise through every sink")
    drill.add_argument("--camera", metavar="NAME")
    drill.set_defaults(run=_drill)

    silence = commands.add_parser("silence", help="send no alarms for a while")
    silence.add_argument("--camera", metavar="NAME", help="only this one")
    silence.add_argument(
        "--for", dest="for_s", type=seconds, required=True, metavar="10m", help="10m, 90s, 2h"
    )
    silence.set_defaults(run=_silence)

    recalibrate = commands.add_parser(
        "recalibrate", help="forget what a camera has learnt: it was turned or moved"
    )
    recalibrate.add_argument("camera", metavar="CAMERA")
    recalibrate.set_defaults(run=_recalibrate)

    for command in (drill, silence, recalibrate):
        add_state_dir(command)

    relays = commands.add_parser("relays-off", help="put every relay off, as after a crash")
    relays.add_argument("--config", type=Path, metavar="FILE", help=CONFIG_HELP)
    relays.set_defaults(run=_relays_off)


def seconds(text: str) -> float:
    """`10m` → 600.0; raises ArgumentTypeError for anything else."""
    found = DURATION.fullmatch(text.strip())
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration; write 90s, 10m or 2h")
    return float(found[1]) * UNIT_S[found[2]]


def _drill(chosen: argparse.Namespace) -> int:
    sent = ask_daemon(chosen, "drill", camera=chosen.camera)
    print(
        f"exercise {sent['incident']} on camera {sent['camera']} is on its way to "
        f"{', '.join(sent['sinks'])}; `jikimi status` tells which sinks have a problem"
    )
    return 0


def _silence(chosen: argparse.Namespace) -> int:
    answer = ask_daemon(chosen, "silence", camera=chosen.camera, for_s=chosen.for_s)
    print(f"{answer['camera'] or 'every camera'} is silenced until {answer['until']}")
    return 0


def _recalibrate(chosen: argparse.Namespace) -> int:
    answer = ask_daemon(chosen, "recalibrate", camera=chosen.camera)
    print(f"{answer['camera']} starts again from the weights' own threshold and learns anew")
    return 0


def _relays_off(chosen: argparse.Namespace) -> int:
    from alerts.sinks.relay import relays_off  # noqa: PLC0415 - loads gpiozero

    with_pins = {
        name: options for name, options in sink_options().items() if "pin" in options.model_fields
    }
    still_on = relays_off(load_sinks(config_file(chosen.config), os.environ, with_pins))
    if still_on:
        raise DeliveryError("\n".join(still_on))
    return 0
