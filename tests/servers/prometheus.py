"""Real Prometheus and Alertmanager servers, as Debian packages them, and a receiver of alerts.

They run the configuration that `deploy/` ships, from a copy in which only what a test must
change is changed: where the daemon is, how often it is asked, how long alerts wait.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import threading
from abc import ABC, abstractmethod
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
import yaml
from prometheus_client import CollectorRegistry

from servers.daemon import wait_until
from servers.ports import free_port

DEPLOY = Path(__file__).parents[2] / "deploy"
INSTALL = "apt install prometheus prometheus-alertmanager (their services may stay off)"
SCRAPE_S = 1


def needs(*programs: str) -> None:
    """Skip a test where one of `programs` is not installed."""
    if missing := [program for program in programs if not shutil.which(program)]:
        pytest.skip(f"{', '.join(missing)} not installed: {INSTALL}")


@dataclass(frozen=True)
class Series:
    """One series of an answer: labels, and values over time [(Unix time, value), …]."""

    labels: dict[str, str]
    values: list[tuple[float, float]]


class _Server(ABC):
    """A program that serves HTTP on 127.0.0.1, from `__enter__` to `__exit__`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with (self.folder / f"{type(self).__name__}.log").open("wb") as log:
            self._process = subprocess.Popen(
                self._command(), cwd=self.folder, stdout=log, stderr=log
            )
        try:
            wait_until(self._ready, f"{type(self).__name__}; its log lies in {self.folder}")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._process:
            self._process.terminate()
            self._process.wait(20)

    @abstractmethod
    def _command(self) -> list[str]:
        """What to start."""

    def _ready(self) -> bool:
        assert self._process
        assert self._process.poll() is None, f"it ended; its log lies in {self.folder}"
        try:
            with urlopen(f"http://127.0.0.1:{self.port}/-/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False


class Receiver:
    """Takes what Alertmanager posts; from `__enter__` to `__exit__`."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._alerts: list[dict[str, Any]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(200)
                self.end_headers()
                with receiver._changed:
                    receiver._alerts += body["alerts"]
                    receiver._changed.notify_all()

            def log_message(self, *_: Any) -> None:
                """Nothing to say."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/jikimi"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def wait_for(
        self, name: str, status: str = "firing", timeout_s: float = 60.0, **labels: str
    ) -> dict[str, Any]:
        """The newest notice of alert `name` with `labels`, once its status is `status`."""

        def found() -> dict[str, Any] | None:
            wanted = {"alertname": name, **labels}.items()
            fitting = [alert for alert in self._alerts if wanted <= alert["labels"].items()]
            return fitting[-1] if fitting and fitting[-1]["status"] == status else None

        with self._changed:
            alert = self._changed.wait_for(found, timeout_s)
            assert alert, f"no {name} {status} in {timeout_s:g} s; came: {self.names()}"
            return alert

    def names(self) -> set[str]:
        """The alerts that came so far."""
        return {alert["labels"]["alertname"] for alert in self._alerts}


class Alertmanager(_Server):
    """The Alertmanager with the shipped configuration; what it groups, it does not hold back."""

    def __init__(self, folder: Path, receiver: Receiver) -> None:
        super().__init__(folder)
        text = (DEPLOY / "alertmanager/alertmanager.yml").read_text()
        text = re.sub(r"url: \S+", f"url: {receiver.url}", text)
        text = re.sub(r"group_wait: \w+", "group_wait: 0s", text)
        text = re.sub(r"group_interval: \w+", "group_interval: 1s", text)
        (folder / "alertmanager.yml").write_text(text)

    def _command(self) -> list[str]:
        command = ["prometheus-alertmanager", "--config.file=alertmanager.yml"]
        command += ["--storage.path=alertmanager-data", "--cluster.listen-address="]
        return [*command, f"--web.listen-address=127.0.0.1:{self.port}"]


class Prometheus(_Server):
    """Prometheus with the shipped configuration and rules, asking `daemons` every `scrape_s`.

    `hold_s`: how long an alert's condition must hold, in place of each rule's own `for`.
    """

    def __init__(
        self,
        folder: Path,
        daemons: list[int],
        alertmanager: Alertmanager | None = None,
        hold_s: float = 1.0,
        scrape_s: int = SCRAPE_S,
    ) -> None:
        super().__init__(folder)
        shutil.copytree(DEPLOY / "prometheus", folder, dirs_exist_ok=True)
        config = yaml.safe_load((folder / "prometheus.yml").read_text())
        config["global"] = {"scrape_interval": f"{scrape_s}s", "evaluation_interval": "1s"}
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        rules = folder / "rules/alerts.yml"
        rules.write_text(re.sub(r"(?m)^( +for:) \w+$", rf"\1 {hold_s:g}s", rules.read_text()))
        self._point("jikimi", daemons)
        self._point("alertmanager", [alertmanager.port] if alertmanager else [])

    def instant(self, query: str, at_s: float | None = None) -> list[Series]:
        """What `query` gives, now or at a Unix time; fails with Prometheus' own words."""
        at = {} if at_s is None else {"time": at_s}
        found = self._get("query", query=query, **at)
        if found["resultType"] == "scalar":
            return [Series({}, [_point(found["result"])])]
        return [Series(one["metric"], [_point(one["value"])]) for one in found["result"]]

    def range(self, query: str, start_s: float, end_s: float, step_s: float) -> list[Series]:
        """What `query` gives over time; fails with Prometheus' own words."""
        found = self._get("query_range", query=query, start=start_s, end=end_s, step=step_s)
        return [
            Series(one["metric"], [_point(value) for value in one["values"]])
            for one in found["result"]
        ]

    def label_values(self, label: str, match: str) -> list[str]:
        """The values of `label` among the series that `match`."""
        values: list[str] = self._get(f"label/{label}/values", **{"match[]": match})
        return values

    def firing(self) -> set[str]:
        """The alerts that fire."""
        return {
            series.labels["alertname"] for series in self.instant('ALERTS{alertstate="firing"}')
        }

    def _get(self, what: str, **parameters: Any) -> Any:
        url = f"http://127.0.0.1:{self.port}/api/v1/{what}?{urlencode(parameters)}"
        try:
            with urlopen(url, timeout=30) as answer:
                return json.load(answer)["data"]
        except HTTPError as error:
            with error:
                raise AssertionError(f"{parameters}: {error.read().decode()}") from error

    def _point(self, what: str, ports: list[int]) -> None:
        targets = [{"targets": [f"127.0.0.1:{port}" for port in ports]}]
        (self.folder / f"targets/{what}.yml").write_text(yaml.safe_dump(targets))

    def _command(self) -> list[str]:
        command = ["prometheus", "--config.file=prometheus.yml", "--storage.tsdb.path=data"]
        return [*command, f"--web.listen-address=127.0.0.1:{self.port}"]


def _point(pair: list[Any]) -> tuple[float, float]:
    return float(pair[0]), float(pair[1])


def exposed(registry: CollectorRegistry) -> set[str]:
    """The names under which the series of `registry` are scraped."""
    return {sample.name for metric in registry.collect() for sample in metric.samples}


def named(expression: str) -> set[str]:
    """Jikimi's metrics and recorded series in a PromQL expression."""
    bare = re.sub(r'"[^"]*"', '""', expression)
    return set(re.findall(r"\b(?:\w+:)?jikimi_\w+(?::\w+)?", bare))
