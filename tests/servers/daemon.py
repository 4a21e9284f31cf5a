"""The daemon as a process of its own, as systemd or docker would run it, for tests."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self
from urllib.error import URLError
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

from servers.ports import free_port
from servers.terminal import Terminal

COMMAND = (sys.executable, "-m", "detector.cli")
POLL_S = 0.1

_never = threading.Event()


def wait_until(found: Callable[[], Any], what: str, timeout_s: float = 60.0) -> Any:
    """Poll `found` until it gives something true, and return that; fail after `timeout_s`."""
    deadline_s = time.monotonic() + timeout_s
    while not (value := found()):
        assert time.monotonic() < deadline_s, f"waited {timeout_s:g} s in vain for {what}"
        _never.wait(POLL_S)
    return value


class DaemonProcess:
    """`jikimi run` with a state directory and port of its own, from `__enter__` to `__exit__`."""

    def __init__(
        self,
        folder: Path,
        config: str | None = None,
        cameras: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
        command: Sequence[str] = COMMAND,
        terminal: Terminal | None = None,
        errors: int | None = None,
    ) -> None:
        """`config`: text of a YAML file; `cameras`: name → URL, handed over by environment.

        `command`: what stands for `jikimi`, such as `servers.hanging`. `terminal`: where it runs,
        instead of into the files of `log` and `printed`. `errors`: a descriptor that takes
        standard error, and so the log.
        """
        if config is None and cameras:
            config = ""  # else it would look for the machine's own
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self._command = command
        self._terminal = terminal
        self._errors = errors
        self.state_dir = folder / "state"
        self.log_path = folder / "log.jsonl"
        self.config_path = folder / "jikimi.yaml"
        self.port = free_port()
        self._environment = {
            "JIKIMI_STATE_DIR": str(self.state_dir),
            "JIKIMI_HTTP__PORT": str(self.port),
            "JIKIMI_LOG__FORMAT": "auto" if terminal else "json",
            "XDG_CONFIG_HOME": str(folder),
            **(
                {"JIKIMI_CAMERAS": " ".join(f"{k}={v}" for k, v in cameras.items())}
                if cameras
                else {}
            ),
            **(environment or {}),
        }
        if config is not None:
            self.config_path.write_text(config)
        self._arguments = ["--config", str(self.config_path)] if config is not None else []
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def start(self) -> None:
        """Start it (again, on the same state) and wait until it answers."""
        self.launch()
        try:
            wait_until(self.answers, f"the daemon to answer; its log is\n{self.log()}")
        except BaseException:
            self.__exit__()  # nobody else would: `__enter__` has failed
            raise

    def launch(self, **environment: str) -> None:
        """Start it (again) and do not wait; `environment`: on top, for this once."""
        with self.log_path.open("ab") as log, (self.folder / "out.txt").open("ab") as out:
            self.process = subprocess.Popen(
                [*self._command, "run", *self._arguments],
                env={**os.environ, **self._environment, **environment},
                cwd=self.folder,
                stdout=self._terminal.inside if self._terminal else out,
                stderr=self._terminal.inside if self._terminal else self._errors or log,
            )

    def answers(self) -> bool:
        """Whether /livez says it is alive; fails at once where the process has ended."""
        assert self.process
        assert self.process.poll() is None, f"the daemon ended:\n{self.log()}"
        try:
            with urlopen(f"http://127.0.0.1:{self.port}/livez", timeout=5) as answer:
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False

    def kill(self) -> None:
        """Kill -9."""
        assert self.process
        self.process.kill()
        self.process.wait()

    def stop(self, timeout_s: float = 30.0) -> float:
        """SIGTERM, and wait for the end; the seconds it took."""
        assert self.process
        started_s = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout_s)
        assert code == 0, f"exit code {code}; its log is\n{self.log()}"
        return time.monotonic() - started_s

    def signal(self, number: int) -> None:
        """Send a signal."""
        assert self.process
        self.process.send_signal(number)

    def health(self) -> dict[str, Any]:
        """The body of /healthz."""
        with urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=60) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def camera(self, name: str) -> dict[str, Any]:
        """One camera's part of the health."""
        [camera] = [c for c in self.health()["cameras"] if c["name"] == name]
        return dict(camera)

    def wait_state(self, name: str, state: str, timeout_s: float = 30.0) -> None:
        """Wait until camera `name` is there (a reload may be under way) and in `state`."""

        def is_in_state() -> bool:
            return (name, state) in {(c["name"], c["state"]) for c in self.health()["cameras"]}

        wait_until(is_in_state, f"{name} to be {state}", timeout_s)

    def metrics_text(self) -> str:
        """The body of /metrics."""
        with urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=60) as answer:
            return str(answer.read().decode())

    def metric(self, name: str, **labels: str) -> float:
        """Sum of the samples called `name` that carry `labels`."""
        return sum(
            sample.value
            for family in text_string_to_metric_families(self.metrics_text())
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def samples(self, camera: str) -> tuple[float, float]:
        """Scored so far, and due but for the four that a first view waits for."""
        due = self.metric("jikimi_samples_due_total", camera=camera)
        warming = self.metric("jikimi_samples_dropped_total", camera=camera, reason="warming")
        return self.metric("jikimi_samples_scored_total", camera=camera), due - warming

    def scored_share(self, camera: str, since: tuple[float, float] = (0.0, 0.0)) -> float:
        """Samples scored of those due, since there were so many of each."""
        scored, due = self.samples(camera)
        return (scored - since[0]) / max(1, due - since[1])

    def log(self) -> str:
        """Everything it has logged."""
        return self.log_path.read_text() if self.log_path.exists() else ""

    def printed(self) -> str:
        """Everything it has printed."""
        return (self.folder / "out.txt").read_text()

    def ask(self, *arguments: str) -> subprocess.Popen[str]:
        """Begin another `jikimi` command against this daemon, without waiting for its end."""
        return subprocess.Popen(
            [*COMMAND, *arguments],
            env={**os.environ, **self._environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def jikimi(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run another `jikimi` command against this daemon."""
        return subprocess.run(
            [*COMMAND, *arguments],
            env={**os.environ, **self._environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
