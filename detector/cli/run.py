"""`jikimi run`: watch cameras until told to stop."""

from __future__ import annotations

import argparse
import ctypes
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from config.errors import ConfigError, ControlError, JikimiError
from config.settings import CameraSettings, LogSettings, Settings, SinkSettings
from config.urls import StreamUrl
from detector.cli.settings import CONFIG_HELP, NO_CAMERAS, config_file, read_settings
from detector.cli.status import summary

if TYPE_CHECKING:
    from detector.daemon.observability.log_writer import LogWriter

LAST_LINES_S = 0.5
"""How long the end waits for standard error to take the last lines."""

M_ARENA_MAX = -8
"""Of mallopt(3)."""

ARENAS = 2

DEMO_CAMERAS = ("calm", "scuffle")
DEMO_HINT = """\
Watching two rendered demo cameras: people walk; on the second, two of them
brawl 20 s into each minute. Give your own cameras as
`jikimi run gate=rtsp://…`, or CAMERAS="gate=rtsp://…" make run."""


def add_commands(commands: Any) -> None:
    """Add `run`."""
    run = commands.add_parser(
        "run",
        help="watch cameras (without any: two rendered demo cameras)",
        description="Watch cameras and raise alarms until stopped. Cameras given here or in "
        "JIKIMI_CAMERAS come on top of those of the configuration file, whose other settings "
        "hold for them, too; one of a name that the file has takes that camera's place.",
    )
    run.add_argument("cameras", nargs="*", metavar="[NAME=]URL", help="rtsp://…, file, /dev/video0")
    run.add_argument("--config", type=Path, metavar="FILE", help=CONFIG_HELP)
    run.add_argument("--for", dest="for_s", type=float, metavar="SECONDS", help="then stop")
    run.set_defaults(run=_run)


def _run(chosen: argparse.Namespace) -> int:
    from structlog import get_logger  # noqa: PLC0415 - no other command waits for these

    from detector.daemon.observability.log_writer import LogWriter  # noqa: PLC0415
    from detector.daemon.observability.logs import (  # noqa: PLC0415
        configure_logging,
        for_people,
    )
    from detector.daemon.state_dir import claimed  # noqa: PLC0415

    _open_standard_files()
    _share_arenas()
    log = get_logger()
    writer = LogWriter(sys.stderr, sys.stdout)
    writer.start()
    config = config_file(chosen.config)

    def read() -> Settings:
        return _settled(read_settings(config, chosen.cameras), config)

    log_settings = LogSettings()
    configure_logging(log_settings, writer)  # until the settings are read
    try:
        settings = read()
        log_settings = settings.log
        configure_logging(log_settings, writer)
        with claimed(settings.state_dir):  # before anything is printed, loaded or measured
            _watch(settings, config, chosen.for_s, read, writer)
    except Exception as error:
        if for_people(log_settings):
            raise  # to be printed as any command's error
        if isinstance(error, JikimiError):
            log.error("cannot run", reason=str(error))  # noqa: TRY400 - the reason says it all
            return error.exit_code
        log.exception("unexpected")
        return JikimiError.exit_code
    finally:
        writer.close(LAST_LINES_S)
    return 0


def _open_standard_files() -> None:
    """Have no file of ours take the number of a standard file that is closed: libav logs there."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            with suppress(OSError):
                os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free


def _share_arenas() -> None:
    """Have all threads share `ARENAS` of glibc's arenas, where nobody has said otherwise.

    It makes eight a core, and each keeps what its threads have freed: of 16 cameras with a fight a
    minute memory rose from 395 to 460 MB in an hour while 230 MB stayed in use. Of four cameras
    two arenas kept 49 MB of that kind instead of 68, at the same processor time (211 s each).
    """
    if "MALLOC_ARENA_MAX" not in os.environ:
        with suppress(AttributeError, OSError):  # another C library
            ctypes.CDLL(None).mallopt(M_ARENA_MAX, ARENAS)


def _watch(
    settings: Settings,
    config: Path | None,
    for_s: float | None,
    read: Callable[[], Settings],
    writer: LogWriter,
) -> None:
    """What is printed goes by way of `writer`: nobody here may wait for a terminal."""
    from structlog import get_logger  # noqa: PLC0415

    from detector.daemon.daemon import Daemon  # noqa: PLC0415 - loads OpenCV, LiteRT and libav
    from detector.daemon.observability.logs import for_people  # noqa: PLC0415
    from detector.inference.weights import load_classifier  # noqa: PLC0415

    log = get_logger()
    people = for_people(settings.log)
    demo = all(camera.url.kind == "pattern" for camera in settings.cameras)
    if people:
        writer.say(f"Configuration: {config or 'no file'}")
        if demo:
            writer.say(DEMO_HINT)
    else:
        log.info("configuration", file=config and str(config), demo=demo)
    classifier = load_classifier(settings.weights, engine=settings.local_engine)
    daemon = Daemon(settings, classifier, read, writer)

    def summarise() -> None:
        status = daemon.status.full()
        if people:
            with suppress(ControlError):  # no accounts, where other machines can reach it
                status["page"] = daemon.page()  # for this terminal: it may hold a secret
            writer.say(summary(status))
        else:
            log.info("watching", **_in_short(status))

    daemon.run(for_s, summarise)


def _in_short(status: dict[str, Any]) -> dict[str, Any]:
    """The summary for the log: names only, for journald and Docker cut lines of many kilobytes."""
    return {
        "version": status["version"],
        "cameras": [camera["name"] for camera in status["cameras"]],
        "model": status["model"]["name"],
        "engine": status["model"]["engine"],
        "sinks": [sink["name"] for sink in status["sinks"]],
        "url": status["url"],
        "state_dir": status["state_dir"],
    }


def _settled(settings: Settings, config: Path | None) -> Settings:
    """Fill in what may be left out: the demo's cameras, and a sink to the log."""
    from alerts.registry import fill_box, fill_site, sink_options  # noqa: PLC0415
    from detector.daemon.handover.claims import CLAIMS, Claims  # noqa: PLC0415

    changes: dict[str, Any] = {}
    if not settings.cameras:
        if config is not None:
            raise ConfigError(f"{config}: cameras: {NO_CAMERAS}")
        changes["cameras"] = [
            CameraSettings(name=name, url=StreamUrl.parse(f"pattern://{name}"), site=settings.site)
            for name in DEMO_CAMERAS
        ]
    options = sink_options()["log"]()
    sinks = settings.sinks or [SinkSettings(name="log", type="log", options=options)]
    box = Claims(settings.state_dir / CLAIMS).box
    changes["sinks"] = fill_box(fill_site(sinks, settings.site), box)
    return settings.model_copy(update=changes)
