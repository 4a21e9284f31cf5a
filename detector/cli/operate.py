"""What an operator asks the running daemon to do: `drill`, `silence`, `unsilence`, `recalibrate`.

`relays-off` works without a daemon: it is for after a crash.
"""

from __future__ import annotations

import argparse
import os
import re
import time
from functools import partial
from pathlib import Path
from typing import Any

from config.errors import DeliveryError, JikimiError
from detector.cli.asking import add_state_dir, ask_daemon
from detector.cli.settings import CONFIG_HELP, config_file
from detector.cli.status import told_silence
from detector.cli.terminal import flow, local_end

DURATION = re.compile(r"(\d+(?:\.\d+)?)(s|m|h)?")
POLL_S = 0.1
"""How often `drill` asks what has become of its exercise."""

UNIT_S = {None: 1, "s": 1, "m": 60, "h": 3600}


def add_commands(commands: Any) -> None:
    """Add the five."""
    drill = commands.add_parser(
        "drill",
        help="a marked exercise through every sink",
        description="Send a marked exercise through every sink and tell what each made of it. "
        "The exit code is 0 where every sink that it is routed to acknowledged it, 1 where it is "
        "routed to none, else 5.",
    )
    drill.add_argument("--camera", metavar="NAME", help="on this one (default: the first)")
    drill.add_argument(
        "--timeout",
        type=seconds,
        default=10.0,
        metavar="10s",
        help="wait no longer for the sinks (default: 10s)",
    )
    drill.set_defaults(run=_drill)

    silence = commands.add_parser("silence", help="send no alarms for a while")
    silence.add_argument("--camera", metavar="NAME", help="of this one (default: every camera)")
    silence.add_argument(
        "--for",
        dest="for_s",
        type=seconds,
        metavar="10m",
        help="for how long, a year at most: 90s, 10m, 2h (left out on a terminal: asks for it)",
    )
    silence.set_defaults(run=partial(_silence, silence))

    unsilence = commands.add_parser("unsilence", help="send alarms again")
    unsilence.add_argument("--camera", metavar="NAME", help="of this one (default: all silences)")
    unsilence.set_defaults(run=_unsilence)

    recalibrate = commands.add_parser(
        "recalibrate", help="forget what a camera has learnt: it was turned or moved"
    )
    recalibrate.add_argument("camera", metavar="CAMERA", help="its name in the configuration")
    recalibrate.set_defaults(run=_recalibrate)

    for command in (drill, silence, unsilence, recalibrate):
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
    start = f"exercise {sent['incident']} on camera {sent['camera']}"
    print(flow(start, [f"to {', '.join(sent['sinks'])}"], indent=2), flush=True)
    _tell_where(sent)
    waiting = list(sent["sinks"])
    failed = taken = False
    deadline_s = time.monotonic() + chosen.timeout
    while True:
        answer = ask_daemon(chosen, "deliveries", incident=sent["incident"])
        for delivery in answer["deliveries"]:
            if delivery["sink"] in waiting and delivery["state"] != "queued":
                print(f"{delivery['sink']}: {_outcome(delivery)}", flush=True)
                waiting.remove(delivery["sink"])
                failed |= delivery["state"] == "failed"
                taken |= delivery["state"] != "not routed"
        left_s = deadline_s - time.monotonic()
        if not waiting or left_s <= 0:
            break
        time.sleep(min(POLL_S, left_s))
    for sink in waiting:
        print(f"{sink}: no answer within {chosen.timeout:g} s (still queued)")
    if failed or waiting:
        return DeliveryError.exit_code
    if not taken:
        raise JikimiError(
            "nobody was told: no sink's route takes this exercise; check route: of the sinks, "
            "or drill another camera with --camera"
        )
    return 0


def _outcome(delivery: dict[str, Any]) -> str:
    """What a person reads of one of the daemon's deliveries that is no longer queued."""
    if delivery["state"] == "delivered":
        remark = delivery.get("remark")  # None: a daemon that was started before an upgrade
        return f"acknowledged after {delivery['after_ms']} ms{f', {remark}' if remark else ''}"
    if delivery["state"] == "failed":
        return f"failed: {delivery['error']}"
    return "not routed: its route does not take this exercise"


def _silence(parser: argparse.ArgumentParser, chosen: argparse.Namespace) -> int:
    for_s = _asked_duration(parser) if chosen.for_s is None else chosen.for_s
    answer = ask_daemon(chosen, "silence", camera=chosen.camera, for_s=for_s)
    print(f"{answer['camera'] or 'every camera'} is silenced until {local_end(answer['until'])}")
    _tell_where(answer)
    return 0


def _tell_where(answer: dict[str, Any]) -> None:
    """Say so where a crash would undo what was asked for."""
    if reason := answer.get("in_memory_only"):
        print(f"accepted, in memory only: {reason}", flush=True)


def _asked_duration(parser: argparse.ArgumentParser) -> float:
    """What is typed on the terminal, in seconds; wrong usage where there is none."""
    missing = "say for how long with --for, such as --for 10m"
    if not (os.isatty(0) and os.isatty(1)):
        parser.error(missing)
    while True:
        try:
            return seconds(input("For how long? (10m, 2h) "))
        except argparse.ArgumentTypeError as error:
            print(error)
        except EOFError:
            print()
            parser.error(missing)


def _unsilence(chosen: argparse.Namespace) -> int:
    answer = ask_daemon(chosen, "unsilence", camera=chosen.camera)
    ended = answer["ended"]
    for camera in ended:
        print(f"{camera or 'every camera'} is no longer silenced")
    if not ended:
        print(f"{chosen.camera} was not silenced" if chosen.camera else "nothing was silenced")
    _tell_where(answer)
    for silence in ask_daemon(chosen, "status")["silences"]:
        if silence["camera"] is None or chosen.camera in {None, silence["camera"]}:
            print(f"still silenced: {told_silence(silence)}")
    return 0


def _recalibrate(chosen: argparse.Namespace) -> int:
    answer = ask_daemon(chosen, "recalibrate", camera=chosen.camera)
    print(f"{answer['camera']} starts again from the weights' own threshold and learns anew")
    _tell_where(answer)
    return 0


def _relays_off(chosen: argparse.Namespace) -> int:
    from alerts.registry import sink_options  # noqa: PLC0415 - and this, much of pydantic
    from alerts.sinks.relay import relays_off  # noqa: PLC0415 - loads gpiozero
    from config.load import load_sinks  # noqa: PLC0415
    from detector.daemon.handover.claims import CLAIMS, Claims  # noqa: PLC0415

    with_pins = {
        name: options for name, options in sink_options().items() if "pin" in options.model_fields
    }
    config = config_file(chosen.config)
    own = Claims(config.with_name(CLAIMS)).box if config else None
    still_on = relays_off(load_sinks(config, os.environ, with_pins), own)
    if still_on:
        raise DeliveryError("\n".join(still_on))
    return 0
