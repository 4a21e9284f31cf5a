"""Boxes of a cluster on this machine, each with Ray node, link and daemon of its own."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Self
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from config.errors import ControlError
from detector.daemon.operators.control import ask
from servers.daemon import wait_until

NEEDS_RAY = pytest.mark.skipif(
    find_spec("ray") is None, reason="needs Ray: pip install 'jikimi[cluster]'"
)

STOP_S = 40.0


class BoxProcess:
    """`jikimi cluster start` or `join`, as a machine of its own would run it."""

    def __init__(
        self,
        folder: Path,
        name: str,
        arguments: Sequence[str],
        ray: Path,
        where: Sequence[str] = (),
    ) -> None:
        """`ray`: Ray's own files; its sockets' paths have at most 107 letters.

        `where`: what runs a command on another host, `servers.network.Host.command`.
        """
        self.name = name
        self.state_dir = folder / name
        self.log_path = folder / f"{name}.log"
        command = [*where, sys.executable, "-m", "detector.cli", "cluster", *arguments]
        command += ["--box", name, "--cores", "2", "--state-dir", str(self.state_dir)]
        environment = {
            "JIKIMI_HTTP__PORT": "0",
            "RAY_TMPDIR": str(ray),
            "PYTHONPATH": os.pathsep.join(sys.path),
        }
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                command, env={**os.environ, **environment}, stdout=log, stderr=log
            )

    def cameras(self) -> dict[str, str]:
        """By camera that its daemon watches, the state; none where that does not answer."""
        with suppress(ControlError):
            status = ask(self.state_dir / "control.sock", "status")
            return {camera["name"]: camera["state"] for camera in status["cameras"]}
        return {}

    def live(self) -> set[str]:
        """Those that it has pictures of, also where a busy machine can score hardly any."""
        states = self.cameras().items()
        return {name for name, state in states if state in {"live", "unwatched"}}

    def samples(self) -> dict[str, Counter[str]]:
        """By camera, samples due, and not scored by reason, as its daemon has counted them."""
        found: defaultdict[str, Counter[str]] = defaultdict(Counter)
        with suppress(ControlError, URLError, OSError):
            url = ask(self.state_dir / "control.sock", "status")["url"]
            with urlopen(f"{url}/metrics", timeout=5) as answer:
                text = answer.read().decode()
            for family in text_string_to_metric_families(text):
                for one in family.samples:
                    if one.name == "jikimi_samples_due_total":
                        found[one.labels["camera"]]["due"] += int(one.value)
                    elif one.name == "jikimi_samples_dropped_total":
                        found[one.labels["camera"]][one.labels["reason"]] += int(one.value)
        return found

    def processes(self) -> list[int]:
        """It and all that it has started, the daemon and Ray's among them."""
        return descendants(self.process.pid)

    def daemon(self) -> int:
        """The process of its daemon."""
        [found] = [pid for pid in self.processes() if _runs(pid, "detector.cli", "run")]
        return found

    def kill(self) -> None:
        """Kill -9 all of it at once, as a power cut would."""
        kill_all(self.processes())
        self.process.wait()

    def stop(self) -> None:
        """SIGTERM, and then what is left of it."""
        pids = self.processes()
        if self.process.poll() is None:
            self.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(STOP_S)
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()


def descendants(pid: int) -> list[int]:
    """It and all that it has started."""
    found = [pid]
    for one in found:
        with suppress(OSError):
            for thread in Path(f"/proc/{one}/task").iterdir():
                found += map(int, (thread / "children").read_text().split())
    return found


def kill_all(pids: Sequence[int]) -> None:
    """Kill -9; none sees another end."""
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, number)


def _runs(pid: int, *words: str) -> bool:
    """Whether these follow each other in the command of `pid`."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    return "\0".join(words).encode() in command


def _head_port() -> int:
    """A free one below those that Ray gives its workers, 10002 to 19999."""
    for port in range(6400, 8000):
        with socket.socket() as trial, suppress(OSError):
            trial.bind(("127.0.0.1", port))
            return port
    raise OSError("no port is free")


class Cluster:
    """A head and boxes that join it, from `__enter__` to `__exit__`."""

    def __init__(
        self, folder: Path, config: str, address: str = "127.0.0.1", redis: str | None = None
    ) -> None:
        """`address`: of this machine, as boxes on others see it; `redis`: where Ray keeps all."""
        self.folder = folder
        self.address = address
        self.config = folder / "city.yaml"
        self.config.write_text(config)
        self.port = _head_port()
        self.boxes: list[BoxProcess] = []
        self._redis = ["--redis", redis] if redis else []
        self._ray = Path(tempfile.mkdtemp(prefix="ray"))

    def __enter__(self) -> Self:
        self.boxes.append(self._head())
        return self

    def restart_head(self) -> None:
        """Start the head's box again, on its disk, as a machine that boots."""
        for path in self._ray.rglob("ray_current_cluster"):  # by which Ray thinks that it runs
            path.unlink()
        self.boxes[0] = self._head()

    def _head(self) -> BoxProcess:
        arguments = ["start", "--config", str(self.config), "--port", str(self.port)]
        return BoxProcess(self.folder, "head", [*arguments, *self._redis], self._ray)

    def join(self, name: str, where: Sequence[str] = ()) -> BoxProcess:
        """One more box; `where`: as `BoxProcess` has it."""
        arguments = ["join", f"{self.address}:{self.port}"]
        self.boxes.append(BoxProcess(self.folder, name, arguments, self._ray, where))
        return self.boxes[-1]

    def watched(self) -> dict[str, set[str]]:
        """By camera that is live, the boxes that have it."""
        found: dict[str, set[str]] = {}
        for box in self.boxes:
            if box.process.poll() is None:
                for camera in box.live():
                    found.setdefault(camera, set()).add(box.name)
        return found

    def wait_watched(self, cameras: set[str], timeout_s: float = 120.0) -> None:
        """Wait until each of `cameras` is live at just one box."""
        wait_until(
            lambda: {name for name, by in self.watched().items() if len(by) == 1} == cameras,
            f"every camera to be watched; {self.logs()}",
            timeout_s,
        )

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `jikimi cluster …` against it."""
        command = [sys.executable, "-m", "detector.cli", "cluster", *arguments]
        return subprocess.run(
            [*command, "--address", f"127.0.0.1:{self.port}"],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def logs(self) -> str:
        """What all boxes have logged."""
        return "\n".join(f"{box.name}:\n{box.log_path.read_text()[-4000:]}" for box in self.boxes)

    def __exit__(self, *_: object) -> None:
        for box in reversed(self.boxes):
            box.stop()
        shutil.rmtree(self._ray, ignore_errors=True)
