"""A box's daemon: `jikimi run`, with the cameras that are this box's turn.

It is a process of its own and knows nothing of the cluster but `claims.json`. Whatever becomes of
Ray, of the link to it or of this process's peers, it goes on watching what it has.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from structlog import get_logger

from alerts.storage.files import write_whole
from config.errors import ControlError
from detector.cluster.configuration import share_of, sites_of
from detector.cluster.cost import Cost
from detector.daemon.handover.claims import CLAIMS, write_claims
from detector.daemon.operators.control import ask
from detector.types import CameraState

SHARE = "share.yaml"
"""The daemon's configuration, in the state directory."""

COMMAND = (sys.executable, "-m", "detector.cli", "run")

IGNORING_HANGUP = 'trap "" HUP; exec "$0" "$@"'
"""Until the daemon heeds SIGHUP, one must not end it: what is ignored stays so over exec."""

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
"""Between an end nobody asked for and the next start."""

ASK_EVERY_S = 0.5

HANGS_AFTER_S = 10.0
"""A daemon that has answered and then does not for so long watches nothing for certain."""

KILLED_AFTER_S = 60.0
"""One that does not answer for so long is killed, and started again."""

STOP_S = 8.0
"""SIGTERM may take the daemon five."""

log = get_logger()


@dataclass(frozen=True, slots=True)
class _Answer:
    """The daemon's: `states` by camera; `pid`: its process, for an earlier one's is stale."""

    pid: int
    at_s: float
    states: dict[str, str]
    port: int | None


class Watching:
    """Starts, reloads, restarts and ends the daemon; for one thread, which waits for no answer."""

    def __init__(self, box: str, state_dir: Path, command: Sequence[str] = COMMAND) -> None:
        self._box = box
        self._state_dir = state_dir
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._text = ""
        self._share: dict[str, int] = {}
        self._epochs: dict[str, int] = {}
        self._behind = False
        self._answers = False
        self._hangs = False
        self._asked: _Answer | None = None
        self._ends = 0
        self._start_s = 0.0
        self._cost = Cost()
        self.held: dict[str, int] = {}
        """By camera that the daemon watches, or is about to, its epoch."""
        self.live: frozenset[str] = frozenset()
        """Those that it has pictures of."""
        self.port: int | None = None
        """At which it shows its metrics, once it has said so."""
        self._stopping = threading.Event()
        threading.Thread(target=self._ask, name="asking", daemon=True).start()

    @property
    def works(self) -> bool:
        """False while the daemon should run and does not, or does not answer."""
        return not self._share or not (self._ends or self._hangs)

    @property
    def warm(self) -> bool:
        """Whether the daemon runs and answers."""
        return self._process is not None and self._answers

    @property
    def cost_ms(self) -> float | None:
        """Processor milliseconds a second that a camera takes here; None until it is known."""
        return self._cost.each_ms

    def adopt(self, text: str, share: Mapping[str, int], now_s: float) -> None:
        """Watch the cameras of `share`, by their epochs, as the configuration `text` says."""
        if text == self._text and share == self._share:
            return
        self._text, self._share = text, dict(share)
        self._epochs |= share
        log.info("share", cameras=sorted(share))
        self._state_dir.mkdir(parents=True, exist_ok=True, mode=0o750)
        write_claims(self._state_dir / CLAIMS, self._box, share, sites_of(text))
        if not share:
            self.stop()
            return
        write_whole(self._state_dir / SHARE, share_of(text, share).encode(), 0o600)
        self._behind = True
        self.look(now_s)

    def look(self, now_s: float) -> None:
        """Start what should run, have it read what is new, and ask what it watches."""
        if not self._share:
            return
        if self._process is not None and (code := self._process.poll()) is not None:
            log.warning("the daemon ended, it is started again", code=code)
            self._process = None
            self.held, self.live = {}, frozenset()
            pause_s = min(FIRST_PAUSE_S * 2**self._ends, LONGEST_PAUSE_S)
            self._ends = min(self._ends + 1, 10)
            self._start_s = now_s + pause_s
        if self._process is None:
            if now_s < self._start_s:
                return
            self._start()
        self._take_answer(now_s)
        if self._answers and self._behind and self._process:
            self._process.send_signal(signal.SIGHUP)
            self._behind = False

    def leave(self) -> None:
        """Have the daemon's end clear nothing that it shows: others may have its cameras by now."""
        if self._share:
            write_claims(self._state_dir / CLAIMS, self._box, {}, sites_of(self._text))

    def close(self) -> None:
        """End the daemon, and this object's thread."""
        self._stopping.set()
        self.stop()

    def stop(self) -> None:
        """End the daemon, within `STOP_S`; what was open is closed."""
        process, self._process = self._process, None
        self.held, self.live = {}, frozenset()
        self._ends = 0
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _start(self) -> None:
        path = str(self._state_dir / SHARE)
        environment = {**os.environ, "JIKIMI_STATE_DIR": str(self._state_dir)}
        command = ["/bin/sh", "-c", IGNORING_HANGUP, *self._command, "--config", path]
        self._process = subprocess.Popen(command, env=environment)  # noqa: S603 - jikimi itself
        self._cost.begin(self._process.pid)
        self._answers, self._behind, self._hangs = False, False, False
        self.held, self.live = dict(self._share), frozenset()

    def _take_answer(self, now_s: float) -> None:
        process, answer = self._process, self._asked
        if process is None or answer is None or answer.pid != process.pid:
            return
        silent_s = now_s - answer.at_s
        self._hangs = silent_s > HANGS_AFTER_S
        self._answers, self._ends = not self._hangs, 0
        if silent_s > KILLED_AFTER_S:
            process.kill()
        self.held = {name: self._epochs.get(name, 0) for name in answer.states}
        self.live = frozenset(
            name for name, state in answer.states.items() if state == CameraState.LIVE.value
        )
        self.port = answer.port
        self._cost.measure(len(answer.states), now_s)

    def _ask(self) -> None:
        while not self._stopping.wait(ASK_EVERY_S):
            if (process := self._process) is None:
                continue
            try:
                found = ask(self._state_dir / "control.sock", "states")
            except ControlError:  # not there yet, or hangs: the last answer grows old
                continue
            port = urlsplit(found["url"]).port
            self._asked = _Answer(process.pid, time.monotonic(), found["cameras"], port)
