"""One daemon that is killed again and again, with all that stands round it; see `Storm.live`."""

from __future__ import annotations

import random
import re
import subprocess
import sys
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from chaos.ledger import Ledger, decoded
from servers import exact_kill, fighting
from servers.daemon import DaemonProcess, wait_until
from servers.mqtt import PROTOCOL, MqttBroker, Subscriber
from servers.webhook import Answer, WebhookServer

LONGEST_S = 6.0
"""Of a life; starting takes a quarter of it."""

LAST_WRITE = 100
"""The last write of a kind that a life may end at; how many there are, time says."""

HELD_S = 0.5
"""What a busy disk takes for a commit (measured: 0.6 s); time for sinks to be quicker."""

EXPIRY_S = 2.0
"""Of the siren: less than a restart takes, so that kills do make alarms expire."""

FIGHTS = "1 2.4"
"""Each camera fights for so long in each so many seconds."""

OPERATIONS = tuple(
    f"{when} {what}"
    for when in ("before", "after")
    for what in ("BEGIN *", "INSERT *", "UPDATE *", "DELETE *", "COMMIT *", "fsync", "re* *")
)

CONFIG = """
site: {site}
detection: {{open_threshold: 0.3, close_threshold: 0.2, min_duration_s: 0, merge_gap_s: 0.5}}
cameras:
  gate: pattern://calm
  yard: pattern://calm
  hall: pattern://calm
  door: pattern://calm
sinks:
  station: {{type: mqtt, host: 127.0.0.1, port: {port}, protocol: "{protocol}"}}
  hook: {{type: webhook, url: "{url}"}}
  record: {{type: recording, path: {record}}}
  siren: {{type: siren, command: [sh, {siren}], expiry_s: {expiry_s}}}
"""

SIREN = """
case $(date +%N) in *[0-2]) exit 1;; esac
echo $JIKIMI_INCIDENT $(date +%s.%N) >> {sounded}
"""
"""It fails three times in ten, and is tried again: soon, or after a restart."""


class Storm:
    """A daemon, its sinks, and what was accepted, from `__enter__` to `__exit__`."""

    def __init__(self, folder: Path, broker: MqttBroker, site: str, seed: int) -> None:
        folder.mkdir()
        self.random = random.Random(seed)
        self.kills = 0
        self.ended_itself: list[str] = []
        self._site = site
        self._broker = broker
        self._record = folder / "record"
        self._sounded = folder / "sounded"
        self._fights = folder / "fights"
        self._fights.write_text(FIGHTS)
        self._siren = folder / "siren"
        self._siren.write_text(SIREN.format(sounded=self._sounded))
        self._drills: list[subprocess.Popen[str]] = []
        self._accepted: set[str] = set()
        self._stack = ExitStack()
        self._folder = folder

    def __enter__(self) -> Self:
        enter = self._stack.enter_context
        self._station = enter(Subscriber(self._broker, f"jikimi/{self._site}/+/incident"))
        self.hook = enter(WebhookServer(self._mood))
        config = CONFIG.format(
            site=self._site,
            port=self._broker.port,
            protocol=PROTOCOL,
            url=self.hook.url,
            record=self._record,
            siren=self._siren,
            expiry_s=EXPIRY_S,
        )
        command = (sys.executable, fighting.__file__, str(self._fights))
        self.daemon = DaemonProcess(self._folder / "jikimi", config, command=command)
        self._stack.push(self.daemon.__exit__)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def live(self, *, at: str | None = None, drill: bool = True) -> None:
        """One life: start, perhaps a drill, and a kill at a random moment or exact write.

        `at`: the write, such as `1 0 after COMMIT outbox`; drawn where it is left out.
        """
        draw = self.random
        if at is None and draw.random() < 0.5:
            number = round(LAST_WRITE ** draw.random())  # as often among the first ten as later
            held_s = draw.choice((0, 0, HELD_S))
            at = f"{number} {held_s} {draw.choice(OPERATIONS)}"
        ends_s = draw.uniform(0, LONGEST_S) if at is None else LONGEST_S
        self.daemon.launch(**{exact_kill.VARIABLE: at} if at else {})
        if drill and draw.random() < 0.5:
            begins_s = draw.uniform(0, ends_s)
            if not self._ends_within(begins_s):
                self._drills.append(self.daemon.ask("drill"))
                ends_s -= begins_s
        self._ends_within(ends_s)
        process = self.daemon.process
        assert process
        if process.poll() not in {None, -9}:
            self.ended_itself.append(f"code {process.returncode}: {self.daemon.log()[-2000:]}")
        self.daemon.kill()
        self.kills += 1
        self._hear_drills()

    def rest(self) -> None:
        """Start once more, in peace, wait until everything is told, and stop."""
        self._fights.unlink()
        self.hook.answer = lambda: Answer.TAKE
        self.daemon.start()
        wait_until(self._settled, "everything to be told", 120)
        self.daemon.stop()

    def ledger(self) -> Ledger:
        """All there is to hold against one another."""
        entries = self.daemon.jikimi("incidents", "--json", "--limit", "1000000").stdout
        sounded = self._sounded.read_text() if self._sounded.exists() else ""
        record = self._record.read_text() if self._record.exists() else ""
        return Ledger(
            recorded={entry["id"] for entry in decoded(entries.splitlines())},
            accepted=self._accepted,
            told={
                "station": self._station.incidents(),
                "hook": self.hook.incidents(),
                "record": decoded(record.splitlines()),
            },
            sounded=[
                (incident, float(at)) for incident, at in map(str.split, sounded.splitlines())
            ],
            expiry_s=EXPIRY_S,
        )

    def _ends_within(self, seconds: float) -> bool:
        assert self.daemon.process
        try:
            self.daemon.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _hear_drills(self) -> None:
        for command in self._drills:
            said, _ = command.communicate(timeout=30)
            self._accepted.update(re.findall(r"^exercise (\S+)", said))
        self._drills.clear()

    def _settled(self) -> bool:
        health = self.daemon.health()
        return not any(
            [
                *(camera["open_incidents"] for camera in health["cameras"]),
                *(sink["depth"] for sink in health["sinks"]),
            ]
        )

    def _mood(self) -> Answer:
        """Where a receiver is often busy, or breaks off, the outbox has something to keep."""
        return random.choices(list(Answer), weights=(85, 8, 7))[0]


def kill_often(storm: Storm, kills: int, out_of_time: threading.Event) -> None:
    """So many lives, unless it is over before."""
    while storm.kills < kills and not out_of_time.is_set():
        storm.live()
    storm.rest()
