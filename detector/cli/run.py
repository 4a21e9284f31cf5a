"""`jikimi run`: watch cameras until told to stop."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from alerts.registry import fill_site, sink_options
from config.errors import ConfigError
from config.settings import CameraSettings, Settings, SinkSettings
from config.urls import StreamUrl
from detector.cli.settings import read_settings
from detector.cli.status import summary

DEMO_CAMERAS = ("calm", "scuffle")
DEMO_HINT = """\
Two rendered demo cameras: people walk; on the second, two of them brawl 20 s into each minute.
Give your own cameras as `jikimi run gate=rtsp://…`, or CAMERAS="gate=rtsp://…" make run."""


def add_commands(commands: Any) -> None:
    """Add `run`."""
    run = commands.add_parser(
        "run",
        help="watch cameras (without any: two rendered demo cameras)",
        description="Watch cameras and raise alarms until stopped.",
    )
    run.add_argument("cameras", nargs="*", metavar="[NAME=]URL", help="rtsp://…, file, /dev/video0")
    run.add_argument("--config", type=Path, metavar="FILE", help="YAML; see `jikimi check`")
    run.add_argument("--for", dest="for_s", type=float, metavar="SECONDS", help="then stop")
    run.set_defaults(run=_run)


def _run(chosen: argparse.Namespace) -> int:
    from detector.daemon.daemon import Daemon  # noqa: PLC0415 - loads OpenCV, LiteRT and libav
    from detector.daemon.observability.logs import configure_logging  # noqa: PLC0415
    from detector.inference.weights import load_classifier  # noqa: PLC0415

    def read() -> Settings:
        return _settled(read_settings(chosen.config, chosen.cameras), chosen.config)

    settings = read()
    configure_logging(settings.log)
    if all(camera.url.kind == "pattern" for camera in settings.cameras):
        print(DEMO_HINT)
    classifier = load_classifier(settings.weights, engine=settings.engine)
    daemon = Daemon(settings, classifier, read)
    daemon.run(chosen.for_s, lambda: print(summary(daemon.status()), flush=True))
    return 0


def _settled(settings: Settings, config: Path | None) -> Settings:
    """Fill in what may be left out: the demo's cameras, and a sink to the log."""
    changes: dict[str, Any] = {}
    if not settings.cameras:
        if config is not None:
            raise ConfigError(
                f"{config}: cameras: none are given; add one a line, such as "
                '"gate: rtsp://user:password@192.0.2.10/stream1"'
            )
        changes["cameras"] = [
            CameraSettings(name=name, url=StreamUrl.parse(f"pattern://{name}"), site=settings.site)
            for name in DEMO_CAMERAS
        ]
    options = sink_options()["log"]()
    sinks = settings.sinks or [SinkSettings(name="log", type="log", options=options)]
    changes["sinks"] = fill_site(sinks, settings.site)
    return settings.model_copy(update=changes)
