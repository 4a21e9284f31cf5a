"""What operators ask of the monitor by MQTT: silence a camera, drill, confirm an incident.

Each command has a topic a camera, `jikimi/{site}/{camera}/command/{command}`, so that an access
list can allow one and not another. What came of it goes to `…/command/result`, not retained.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from structlog.typing import FilteringBoundLogger

from alerts.sink import CommandHandler
from alerts.sinks.mqtt.options import camera_topic
from config.errors import ControlError, JikimiError
from config.secrets import scrub

COMMANDS = ("silence", "unsilence", "drill", "confirm", "dismiss")

MOST_A_MINUTE = 30
"""More are not run: each drill sounds every siren, each silence waits for the disk."""

MAX_PAYLOAD_BYTES = 256

_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s*([smh]?)", re.ASCII)
_UNIT_S = {"": 1, "s": 1, "m": 60, "h": 3600}

HOW_TO_SILENCE = 'write for how long, as 30m, 8h or {"for_s": 1800}, or off'

HOW_TO_CONFIRM = "write the incident_id of its alert"


def command_filters(site: str) -> list[str]:
    """What to subscribe to for the cameras of `site`."""
    return [f"jikimi/{site}/+/command/{command}" for command in COMMANDS]


@dataclass(frozen=True, slots=True)
class Command:
    """One that came in."""

    command: str
    camera: str
    site: str
    payload: bytes

    @classmethod
    def of(cls, topic: str, payload: bytes) -> Command | None:
        """What came on `topic`; None where that is no command's."""
        levels = topic.split("/")
        if len(levels) != 5 or levels[3] != "command" or levels[4] not in COMMANDS:
            return None
        return cls(levels[4], levels[2], levels[1], payload)

    def request(self) -> tuple[str, dict[str, Any]]:
        """The command to run, with its request; raises ControlError where the payload is wrong.

        `silence` takes a duration, and `off`, for a switch has one topic for both of its sides;
        `confirm` and `dismiss` take an incident's id.
        """
        camera = {"camera": self.camera}
        how = {"silence": HOW_TO_SILENCE, "confirm": HOW_TO_CONFIRM, "dismiss": HOW_TO_CONFIRM}
        if self.command not in how:
            return self.command, camera
        if len(self.payload) > MAX_PAYLOAD_BYTES:
            told = how[self.command]
            raise ControlError(f"the payload has {len(self.payload)} bytes; {told}")
        text = self.payload.decode(errors="replace").strip()
        if self.command != "silence":
            return self.command, {**camera, "incident": text}
        if text.lower() == "off":
            return "unsilence", camera
        if found := _DURATION.fullmatch(text.lower()):
            return "silence", {**camera, "for_s": float(found[1]) * _UNIT_S[found[2]]}
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict) or value.keys() != {"for_s"}:
            raise ControlError(f"{text!r} is no duration; {HOW_TO_SILENCE}")
        return "silence", {**camera, **value}


class CommandRunner:
    """Runs what `take` is given one after another, in a thread that lives while there is any."""

    def __init__(
        self,
        is_shown: Callable[[str, str], bool],
        answer: Callable[[str, bytes], None],
        log: FilteringBoundLogger,
    ) -> None:
        """`is_shown`: whether there is such a camera and site; `answer`: publishes."""
        self.handler: CommandHandler = _nobody
        """What runs them; set before the first comes in."""
        self._is_shown = is_shown
        self._answer = answer
        self._log = log
        self._mutex = threading.Lock()
        self._waiting: deque[Command] = deque()
        self._running = False
        self._taken_s: deque[float] = deque(maxlen=MOST_A_MINUTE)
        self._flooded_s = float("-inf")

    def take(self, topic: str, payload: bytes, *, retained: bool) -> None:
        """Run it soon; waits for nothing and raises nothing, for paho's thread calls it."""
        command = Command.of(topic, payload)
        if command is None:
            return
        if retained:
            # It would come again at each reconnection.
            self._log.warning(
                "retained command ignored; clear it: mosquitto_pub -r -n -t TOPIC", topic=topic
            )
            return
        if not self._has_room(time.monotonic()):
            return
        with self._mutex:
            self._waiting.append(command)
            if self._running:
                return
            self._running = True
        try:
            threading.Thread(target=self._run, name="mqtt-commands", daemon=True).start()
        except RuntimeError as error:  # no thread to be had
            with self._mutex:
                self._running = False
                self._waiting.clear()
            self._log.warning("command not run", topic=topic, reason=str(error))

    def _has_room(self, now_s: float) -> bool:
        is_full = len(self._taken_s) == MOST_A_MINUTE and now_s - self._taken_s[0] < 60
        if not is_full:
            self._taken_s.append(now_s)
        elif now_s - self._flooded_s >= 60:
            self._flooded_s = now_s
            self._log.warning("too many commands, some are not run", most_a_minute=MOST_A_MINUTE)
        return not is_full

    def _run(self) -> None:
        while True:
            with self._mutex:
                if not self._waiting:
                    self._running = False
                    return
                command = self._waiting.popleft()
            topic = camera_topic(command.camera, command.site, "command/result")
            try:
                self._answer(topic, self._do(command))
            except Exception as error:  # noqa: BLE001 - the next command must not wait for ever
                self._log.warning("command not answered", topic=topic, reason=scrub(str(error)))

    def _do(self, command: Command) -> bytes:
        """Run it; the answer, as the control socket has it: `result` or `error`."""
        outcome: dict[str, Any]
        named = {"command": command.command, "camera": command.camera, "site": command.site}
        try:
            outcome = {"result": self._result(command)}
        except JikimiError as error:
            outcome = {"error": scrub(str(error))}
        except Exception as error:  # noqa: BLE001 - same
            outcome = {"error": scrub(f"{type(error).__name__}: {error}")}
        if "error" in outcome:
            self._log.warning("command refused", **named, reason=outcome["error"])
        else:
            self._log.info("command run", **named)
        return json.dumps({"schema_version": 1, **named, **outcome}).encode()

    def _result(self, command: Command) -> dict[str, Any]:
        if not self._is_shown(command.camera, command.site):
            raise ControlError(f"there is no camera {command.camera!r} at site {command.site!r}")
        return self.handler(*command.request())


def _nobody(command: str, _request: dict[str, Any]) -> dict[str, Any]:
    raise ControlError(f"nothing here runs {command}")
