"""What the boxes of a cluster have in common: cameras whose figures brawl, a broker, a database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import cv2

from detector.capture.demo.stream import render
from servers.mqtt import PROTOCOL, MqttBroker, Subscriber
from servers.postgresql import PostgresqlServer
from servers.rtsp import Feed, RtspServer

FPS = 10
SIZE = (320, 180)

BRAWL_S = (14.0, 40.0)
"""Of the rendered scene's minute: 6 s of walking, 8.5 s of brawl, 11.5 s of walking."""

HERE = "127.0.0.1"

CONFIG = """
cameras: {{{cameras}}}
sinks:
  city: {{type: mqtt, host: {yard}, port: {port}, protocol: '{protocol}'}}
detection: {{second_look: off}}
journal: {{url: '{journal}'}}
evidence: off
log: {{format: json}}
"""


def brawl(path: Path) -> Path:
    """A clip of the rendered scene, 320×180."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        stream.options = {"preset": "veryfast", "threads": "1", "bf": "0", "g": str(FPS)}
        for index in range(round((BRAWL_S[1] - BRAWL_S[0]) * FPS)):
            picture = cv2.resize(render("scuffle", BRAWL_S[0] + index / FPS), SIZE)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode())
    return path


@dataclass(frozen=True)
class Services:
    """`config`: what a cluster watches; `heard`: at the broker; `journal`: its URL, from here."""

    config: str
    heard: Subscriber
    journal: str
    database: PostgresqlServer

    def opened(self) -> list[dict[str, Any]]:
        """Alerts that an incident has begun, in the order in which they came."""
        return [one for one in self.heard.incidents() if one["phase"] == "opened"]


@contextmanager
def services(
    folder: Path, streams: Mapping[str, Path | Feed], yard: str = HERE, database: str = HERE
) -> Iterator[Services]:
    """All of it; `yard`, `database`: the addresses at which boxes reach it."""
    (folder / "broker").mkdir()
    with (
        PostgresqlServer() as server,
        MqttBroker(folder / "broker") as broker,
        Subscriber(broker) as heard,
        RtspServer(streams) as cameras,
    ):
        journal = server.fresh_database("city")
        config = CONFIG.format(
            cameras=", ".join(
                f"{name}: '{cameras.url(name).replace(HERE, yard)}'" for name in streams
            ),
            yard=yard,
            port=broker.port,
            protocol=PROTOCOL,
            journal=journal.replace(HERE, database),
        )
        yield Services(config, heard, journal, server)
