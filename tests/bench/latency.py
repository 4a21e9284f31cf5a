"""From the arrival of a packet to the alert at an MQTT subscriber, over the smoothing's own delay.

An incident opens at the score of one picture; how long the scores before it had to last is the
smoothing's delay and not measured here. Latency is the time from that picture's arrival to the
arrival of the `opened` message, picture included, at a subscriber of a real broker. The daemon's
own stamps are not asked: every stream passes a relay that notes when it hands the last packet of
each picture to the daemon, and which picture it was is found by looking for the alert's picture
among those of the clip. Relay and subscriber are one process and go by one clock. So the time is
in it for which libav keeps a picture until it sees the next begin, 40 ms at 25 pictures a second.

The broker's files are in memory, for a station's broker has a disk of its own, and mosquitto
synchronises at every message. So is the log, which journald or Docker would take: written to a file
on a busy disk it alone makes p99 435 ms. How long an fsync takes meanwhile on the daemon's disk is
told.

The scenes are the rendered scuffle, walking and quarrelling before each fight, so no camera
sleeps. Fights come every 10 s instead of once in months, so incidents may close after a second,
and the shipped threshold is stated, else cameras would learn a higher one.
"""

from __future__ import annotations

import base64
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import av
import contenders
import cv2
import disk
import measure
import numpy as np
import report
from numpy.typing import NDArray

from detector.capture.demo.bodies import CYCLE_S
from detector.capture.demo.choreography import BRAWL_START_S
from detector.capture.demo.stream import render
from detector.inference.second_look.weights import second_look_rules
from detector.inference.weights import load_classifier
from footage import Picture, write_video
from servers.mqtt import PROTOCOL, MqttBroker, Received, Subscriber
from servers.relay import RtspRelay
from servers.rtsp import RtspServer

FPS = 25
CALM, FIGHT = 6 * FPS, 4 * FPS
CLIP = CALM + FIGHT
LOOKED_AT = (160, 90)
"""Size at which the alert's picture is looked for: it is off by 0.8 to 1.1 grey levels from its
own, by at least 1.5 from every other of the clip."""

CONFIG = """
detection: {{open_threshold: {open_threshold}, merge_gap_s: 1}}
sinks:
  station: {{type: mqtt, host: 127.0.0.1, port: {port}, protocol: "{protocol}"}}
"""


class Tap(RtspRelay):
    """Notes when each picture of one camera has been handed over: (number, `time.monotonic()`)."""

    def __init__(self, target_port: int, together: threading.Barrier) -> None:
        super().__init__(target_port)
        self.pictures: list[tuple[int, float]] = []
        self._together = together
        self._first: int | None = None

    def _request(self, data: bytes) -> bytes:
        if data.startswith(b"PLAY"):
            self._first = None
            with suppress(threading.BrokenBarrierError):
                self._together.wait(5)
        return data

    def _packet(self, packet: bytes) -> bytes:
        stamp = int.from_bytes(packet[4:8], "big")
        if self._first is None:
            self._first = stamp
        if packet[1] & 0x80:  # the last of its picture
            number = round((stamp - self._first) % 2**32 * FPS / 90_000)
            self.pictures.append((number, time.monotonic()))
        return packet

    def arrived(self, picture: int, before_s: float) -> float | None:
        """When picture number `picture` of the clip last came before `before_s`."""
        return next(
            (
                at_s
                for n, at_s in reversed(self.pictures)
                if n % CLIP == picture and at_s < before_s
            ),
            None,
        )


class Fights:
    """One camera's clip: another scuffle for each `fight`, begun `shift` pictures later."""

    def __init__(self, folder: Path, fight: int, shift: int) -> None:
        self.shift = shift
        self.path = folder / f"fight-{fight}-{shift}.mp4"
        if not self.path.exists():
            write_video(self.path, self._pictures(fight), FPS, quality=23, gop=2 * FPS)
        with av.open(str(self.path)) as container:
            frames = container.decode(video=0)
            self._known = np.stack([_looked_at(f.to_ndarray(format="bgr24")) for f in frames])

    def number(self, jpeg: bytes) -> int:
        """Which picture of the clip an alert shows."""
        shown = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
        assert shown is not None
        off = np.abs(self._known - _looked_at(shown)).mean((1, 2))
        return int(off.argmin())

    def since_start(self, number: int) -> int:
        """Pictures from the fight's first to this one; negative in the calm before it."""
        return (number + self.shift) % CLIP - CALM

    def _pictures(self, fight: int) -> Iterator[Picture]:
        for index in range(CLIP):
            at_s = BRAWL_START_S + ((index + self.shift) % CLIP - CALM) / FPS
            yield render("scuffle", fight * CYCLE_S + at_s)


def measured(
    folder: Path, cameras: int, alerts: int, *, at_once: bool = False, busy_disk: bool = False
) -> report.Latency:
    """Watch `cameras` fighting, out of step or all `at_once`, until so many alerts have come."""
    rules = load_classifier().rules() | {k: r.incident for k, r in second_look_rules().items()}
    threshold = rules["violence"].open_threshold
    fights = {
        f"cam{i}": Fights(folder, 0 if at_once else i, 0 if at_once else i * CLIP // cameras)
        for i in range(cameras)
    }
    together = threading.Barrier(cameras if at_once else 1)
    with ExitStack() as stack:
        server = stack.enter_context(RtspServer({n: f.path for n, f in fights.items()}))
        taps = {name: stack.enter_context(Tap(server.port, together)) for name in fights}
        urls = {
            name: server.url(name).replace(str(server.port), str(tap.port))
            for name, tap in taps.items()
        }
        run = folder / f"latency-{sum(1 for _ in folder.iterdir())}"
        run.mkdir()
        memory = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=disk.elsewhere())))
        broker = stack.enter_context(MqttBroker(memory))
        subscriber = stack.enter_context(Subscriber(broker))
        config = CONFIG.format(open_threshold=threshold, port=broker.port, protocol=PROTOCOL)
        log = memory / "log.jsonl"
        daemon = stack.enter_context(contenders.jikimi(run, urls, config=config, log=log))
        if busy_disk:
            stack.enter_context(disk.busy(run))
        fsync_ms = stack.enter_context(disk.watched(run))
        seen = len(subscriber.messages)
        patience_s = time.monotonic() + 2 * CLIP / FPS * (2 + alerts / cameras)
        while time.monotonic() < patience_s:
            measure.pause(1.0)
            opened = _opened(subscriber.messages[seen:])
            if len(opened) >= alerts:
                break
        late = _late(opened, fights, taps)
        return report.Latency(
            fights="all at once" if at_once else "out of step",
            cameras=cameras,
            alerts=len(opened),
            ms=report.spread(late["ms"]),
            until_written_ms=report.spread(late["until_written_ms"]),
            since_fight_s=report.spread(late["since_fight_s"]),
            opened_at_off_ms=report.spread(late["opened_at_off_ms"]),
            disk="busy" if busy_disk else "left alone",
            fsync_ms=report.spread(fsync_ms),
            scored_share=min(map(daemon.scored_share, fights)),
        )


def _late(
    opened: list[tuple[Received, dict[str, Any]]],
    fights: dict[str, Fights],
    taps: dict[str, Tap],
) -> dict[str, list[float]]:
    """By the names that `report.Latency` has for them."""
    found, written, since, stamps = [], [], [], []
    wall_s = time.time() - time.monotonic()
    for message, alert in opened:
        camera = alert["camera"]
        number = fights[camera].number(base64.b64decode(alert["image"]))
        arrived_s = taps[camera].arrived(number, message.at_s)
        assert arrived_s is not None, f"{camera} showed a picture that has not come yet"
        found.append(1000 * (message.at_s - arrived_s))
        written.append(1000 * (_utc_s(alert["sent_at"]) - wall_s - arrived_s))
        since.append(message.at_s - arrived_s + fights[camera].since_start(number) / FPS)
        stamps.append(1000 * (_utc_s(alert["opened_at"]) - wall_s - arrived_s))
    return {
        "ms": found,
        "until_written_ms": written,
        "since_fight_s": since,
        "opened_at_off_ms": stamps,
    }


def _opened(messages: list[Received]) -> list[tuple[Received, dict[str, Any]]]:
    alerts = [(m, m.json) for m in messages if m.topic.endswith("/incident")]
    return [(message, alert) for message, alert in alerts if alert["phase"] == "opened"]


def _utc_s(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()


def _looked_at(picture: NDArray[Any]) -> NDArray[np.float32]:
    small = cv2.resize(picture, LOOKED_AT, interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(small, cv2.COLOR_BGR2GRAY).astype(np.float32)
