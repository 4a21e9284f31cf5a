"""One daemon that is killed again and again, with all that stands round it; see `Storm.live`."""

from __future__ import annotations

import random
import re
import subprocess
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from chaos.fighting_daemon import FightingDaemon
from chaos.ledger import Ledger
from servers import exact_kill
from servers.daemon import wait_until
from servers.mqtt import PROTOCOL, MqttBroker, Subscriber
from servers.webhook import Answer, WebhookServer

WATCHING_S = 3.0
"""The longest life after the first incident, which comes as late as this machine is busy."""

LAST_WRITE = 100
"""The last write of a kind that a life may end at; how many there are, time says."""

HELD_S = 0.5
"""What a busy disk takes for a commit (measured: 0.6 s); time for sinks to be quicker."""

EXPIRY_S = 2.0
"""Of the siren: less than a restart takes, so that kills do make alarms expire."""

FIGHTS = (1.0, 2.4)
"""Each camera fights for so long in each so many seconds."""

OPERATIONS = tuple(
    f"{when} {what}"
    for when in ("before", "after")
    for what in ("BEGIN *", "INSERT *", "UPDATE *", "DELETE *", "COMMIT *", "fsync", "re* *")
)

CAMERAS = ("gate", "yard", "hall", "door")

SINKS = """
  station: {{type: mqtt, host: 127.0.0.1, port: {port}, protocol: "{protocol}"}}
  hook: {{type: webhook, url: "{url}"}}
"""

SIREN = """
case $(date +%N) in *[0-2]) exit 1;; esac
echo $JIKIMI_INCIDENT $(date +%s.%N) >> {sounded}
"""
"""It fails three times in ten, and is tried again: soon, or after a restart."""


class Storm:
    """A daemon, its sinks, and what was accepted, from `__enter__` to `__exit__`."""

    def __init__(self, folder: Path, broker: MqttBroker, site: str, seed: int) -> None:
        self.random = random.Random(seed)
        self.kills = 0
        self.ended_itself: list[str] = []
        self._drills: list[subprocess.Popen[str]] = []
        self._accepted: set[str] = set()
        self._station = Subscriber(broker, f"jikimi/{site}/+/incident")
        self._hook = WebhookServer(self._mood)
        self._daemon = FightingDaemon(
            folder,
            cameras=CAMERAS,
            sinks=SINKS.format(port=broker.port, protocol=PROTOCOL, url=self._hook.url),
            site=site,
            siren=SIREN,
            expiry_s=EXPIRY_S,
        )
        self._longest_s = WATCHING_S
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(self._station)
        self._stack.enter_context(self._hook)
        self._stack.push(self._daemon.__exit__)
        began_s = time.monotonic()
        self._daemon.fight(*FIGHTS)
        self._daemon.start()
        wait_until(lambda: self._daemon.told("opened"), "the first incident")
        self._longest_s += time.monotonic() - began_s
        self._daemon.kill()
        self.kills += 1
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def live(self, *, drill: bool = True, **environment: str) -> None:
        """One life: start, perhaps a drill, and a kill at a random moment or an exact write.

        `environment`: what tells the write (`servers.exact_kill`); drawn where it is left out.
        """
        draw = self.random
        environment = environment or self._drawn()
        ends_s = self._longest_s if environment else draw.uniform(0, self._longest_s)
        self._daemon.launch(**environment)
        if drill and draw.random() < 0.5:
            begins_s = draw.uniform(0, ends_s)
            if not self._ends_within(begins_s):
                self._drills.append(self._daemon.ask("drill"))
                ends_s -= begins_s
        self._ends_within(ends_s)
        process = self._daemon.process
        assert process
        if process.poll() not in {None, -9}:
            self.ended_itself.append(f"code {process.returncode}: {self._daemon.log()[-2000:]}")
        self._daemon.kill()
        self.kills += 1
        self._hear_drills()

    def rest(self) -> None:
        """Start once more, in peace, wait until everything is told, and stop."""
        self._daemon.calm()
        self._hook.answer = lambda: Answer.TAKE
        self._daemon.start()
        wait_until(self._daemon.settled, "everything to be told", 120)
        self._daemon.stop()

    def ledger(self) -> Ledger:
        """All there is to hold against one another."""
        return self._daemon.ledger(
            list(self._accepted),
            station=self._station.incidents(),
            hook=self._hook.incidents(),
        )

    def _drawn(self) -> dict[str, str]:
        """Every other time an exact write."""
        draw = self.random
        if draw.random() < 0.5:
            return {}
        number = round(LAST_WRITE ** draw.random())  # as often among the first ten as later
        return {
            exact_kill.VARIABLE: f"{number} {draw.choice((0, 0, HELD_S))} {draw.choice(OPERATIONS)}"
        }

    def _ends_within(self, seconds: float) -> bool:
        assert self._daemon.process
        try:
            self._daemon.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _hear_drills(self) -> None:
        for command in self._drills:
            said, _ = command.communicate(timeout=300)
            self._accepted.update(re.findall(r"^exercise (\S+)", said))
        self._drills.clear()

    def _mood(self) -> Answer:
        """Where a receiver is often busy, or breaks off, the outbox has something to keep."""
        return random.choices(list(Answer), weights=(85, 8, 7))[0]


def kill_often(storm: Storm, kills: int, over: threading.Event) -> None:
    """So many lives, unless it is over before."""
    while storm.kills < kills and not over.is_set():
        storm.live()
    storm.rest()
